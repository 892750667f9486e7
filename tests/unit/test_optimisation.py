import copy

import pytest
import torch
from torch import nn

from gymspotter.optimisation import MovingAverage, make_optimizer, make_schedule


def a_model(middle=nn.BatchNorm1d):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), middle(4), nn.Linear(4, 2))


def step(model, optimizer):
    optimizer.zero_grad()
    model(torch.randn(8, 3, generator=torch.Generator().manual_seed(1))).square().sum().backward()
    optimizer.step()


@pytest.mark.parametrize(("name", "textbook"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)])
def test_an_optimiser_is_torch_s_own(name, textbook):
    model = a_model(nn.Softplus)
    other = copy.deepcopy(model)
    ours = make_optimizer(name, model, learning_rate=0.01, weight_decay=0.0)
    theirs = textbook(other.parameters(), lr=0.01, weight_decay=0.0)
    for _ in range(5):
        step(model, ours)
        step(other, theirs)
    for mine, expected in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(mine, expected, atol=1e-6, rtol=1e-5)


def test_weight_decay_spares_biases_and_norms():
    model = a_model()
    before = copy.deepcopy(model.state_dict())
    optimizer = make_optimizer("adamw", model, learning_rate=0.1, weight_decay=0.5)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.data, before[name] * (0.95 if parameter.ndim > 1 else 1.0))


def rates(name, steps):
    optimizer = torch.optim.SGD(a_model().parameters(), lr=0.1)
    schedule = make_schedule(name, optimizer, steps=steps)
    out = []
    for _ in range(steps):
        out.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return out


def test_learning_rates_stay_or_fall_or_rise_and_fall():
    assert rates("constant", 50) == [0.1] * 50
    cosine = rates("cosine", 50)
    assert cosine[0] == 0.1
    assert cosine == sorted(cosine, reverse=True)
    assert cosine[25] == pytest.approx(0.05)
    assert cosine[-1] < 0.001
    cycle = rates("one-cycle", 50)
    top = cycle.index(max(cycle))
    assert top == pytest.approx(5, abs=1)
    assert cycle[top] == pytest.approx(0.1, rel=0.01)
    assert cycle[: top + 1] == sorted(cycle[: top + 1])
    assert cycle[top:] == sorted(cycle[top:], reverse=True)
    assert max(cycle[0] / 0.1, cycle[-1] / 0.1) < 0.05
    assert len(rates("one-cycle", 1)) == 1


def test_a_moving_average_is_the_sum_by_hand_and_goes_on_from_its_state():
    model = nn.Linear(1, 1, bias=False)
    expected = float(model.weight.detach())
    average, again = MovingAverage(model, 0.5), MovingAverage(model, 0.5)
    for k in range(1, 21):
        nn.init.constant_(model.weight, k)
        average.update(model)
        decay = min(0.5, k / (k + 9))
        expected = decay * expected + (1 - decay) * k
        assert average.model.weight.item() == pytest.approx(expected, rel=1e-5)
        if k == 10:
            again.load_state(copy.deepcopy(average.state()))
        elif k > 10:
            again.update(model)
    assert again.model.weight.item() == average.model.weight.item()


def test_a_moving_average_takes_in_running_statistics():
    model = a_model()
    average = MovingAverage(model, 0.9)
    step(model, make_optimizer("adam", model, learning_rate=0.01, weight_decay=0.0))
    average.update(model)
    assert average.model[1].num_batches_tracked == 1
    assert average.model[1].running_mean.abs().max() > 0
