import math

import pytest
import torch

from gymspotter.errors import InputError
from gymspotter.models.transformer import Transformer, TransformerConfig, sinusoids


def a_transformer(**changes):
    torch.manual_seed(0)
    return Transformer(TransformerConfig(**changes), joints=17, frames=60, classes=22).eval()


def test_positions_are_equations_2_and_3():
    encoding = sinusoids(60, 51)
    assert encoding.shape == (60, 51)
    for i in (0, 1, 17, 59):
        for j in range(26):
            angle = i / 10000 ** (2 * j / 51)
            assert encoding[i, 2 * j].item() == pytest.approx(math.sin(angle), abs=1e-5)
            if 2 * j + 1 < 51:
                assert encoding[i, 2 * j + 1].item() == pytest.approx(math.cos(angle), abs=1e-5)


def test_attention_is_equations_1_and_4_head_by_head():
    model = a_transformer(heads=4, head_width=5)
    x_BTF = torch.randn(2, 60, 51, generator=torch.Generator().manual_seed(1))
    q, k, v = model.project_in.weight.view(3, 4, 5, 51)
    heads = []
    for h in range(4):
        query, key, value = x_BTF @ q[h].T, x_BTF @ k[h].T, x_BTF @ v[h].T
        heads.append(torch.softmax(query @ key.transpose(1, 2) / math.sqrt(5), dim=-1) @ value)
    expected = torch.cat(heads, dim=-1) @ model.project_out.weight.T
    torch.testing.assert_close(model._attend(x_BTF), expected, atol=1e-5, rtol=1e-4)


def test_the_block_is_equations_5_to_7():
    model = a_transformer()
    poses = torch.randn(3, 60, 17, 3, generator=torch.Generator().manual_seed(2))
    x = poses.reshape(3, 60, 51) + sinusoids(60, 51)
    a1 = model.norm_attention(x + model._attend(x))
    a2 = model.norm_feed_forward(a1 + model.feed_forward(a1))
    torch.testing.assert_close(model(poses), model.head(a2.mean(dim=1)))


@pytest.mark.parametrize(("field", "value"), [("heads", 0), ("feed_forward", -1), ("dropout", 1.0)])
def test_a_bad_configuration_names_its_field(field, value):
    with pytest.raises(InputError, match=field):
        TransformerConfig(**{field: value})
