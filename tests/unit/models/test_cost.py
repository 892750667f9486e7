import torch

from gymspotter.models import MODELS, build
from gymspotter.models.cost import Cost, costs, count_flops, table

T, F, K = 60, 51, 22
# Multiply-adds by hand, of everything that is a matrix product or a convolution.
ATTENTION = 4 * (2 * F * 64 * F + 2 * T * F * F + 2 * T * T * F)  # products of weights first
BY_HAND = {
    "mlp": T * F * 500 + 2 * 500 * 500 + 500 * K,
    "cnn1d": T * (8 * F * 128 + 5 * 128 * 256 + 3 * 256 * 128) + 128 * K,
    "rnn": T * 128 * (F + 128) + 128 * K,
    "lstm": 4 * T * 128 * (F + 128) + 128 * K,
    "bilstm": 2 * 4 * T * 128 * (F + 128) + 256 * K,
    "transformer": ATTENTION + 2 * T * F * 256 + F * K,
}


def test_flops_are_twice_the_multiply_adds_counted_by_hand():
    for name, multiply_adds in BY_HAND.items():
        assert count_flops(build(name, classes=K, frames=T).fusion, 1, T, 17, 3) == 2 * multiply_adds, name


def test_flops_grow_with_the_batch_and_counting_leaves_the_model_where_it_is():
    fusion = build("spotter", classes=K, frames=T).fusion
    assert count_flops(fusion, 3, T, 17, 3) == 3 * count_flops(fusion, 1, T, 17, 3)
    assert fusion(torch.zeros(1, T, 17, 3)).device.type == "cpu"


def test_there_is_a_row_for_every_model():
    rows = costs(repeats=3)
    assert [row.model for row in rows] == list(MODELS)
    assert all(row.milliseconds > 0 and row.parameters > 0 for row in rows)


def test_the_table_reads_well():
    row = Cost(model="lstm", parameters=95_510, flops=11_003_392, milliseconds=0.617)
    assert table([row]).splitlines()[-1] == "| lstm | 95,510 | 11.00 | 0.62 |"
