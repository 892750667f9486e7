import torch

from gymspotter.models.recurrent import LSTM, RNN, BiLSTM, RecurrentConfig


def small(model_class):
    torch.manual_seed(0)
    return model_class(RecurrentConfig(units=5), joints=2, frames=7, classes=3).eval()


def lstm_end(x_TF, w, u, b, c):
    """The state of an LSTM after the last frame, gate by gate (Gers et al. 2000)."""
    h = cell = torch.zeros(5)
    for x in x_TF:
        i, f, g, o = (w @ x + b + u @ h + c).chunk(4)
        cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
        h = o.sigmoid() * cell.tanh()
    return h


def test_the_rnn_is_elmans():
    model, poses = small(RNN), torch.randn(2, 7, 2, 3)
    w, u, b, c = model.cell.all_weights[0]
    for segment, logits in zip(poses.flatten(2), model(poses), strict=True):
        h = torch.zeros(5)
        for x in segment:
            h = torch.tanh(w @ x + b + u @ h + c)
        torch.testing.assert_close(logits, model.head(h))


def test_the_lstm_is_read_after_its_last_frame():
    model, poses = small(LSTM), torch.randn(2, 7, 2, 3)
    for segment, logits in zip(poses.flatten(2), model(poses), strict=True):
        torch.testing.assert_close(logits, model.head(lstm_end(segment, *model.cell.all_weights[0])))


def test_the_second_lstm_of_a_bi_lstm_reads_backwards_to_the_first_frame():
    model, poses = small(BiLSTM), torch.randn(2, 7, 2, 3)
    there, back = model.cell.all_weights
    for segment, logits in zip(poses.flatten(2), model(poses), strict=True):
        ends = torch.cat([lstm_end(segment, *there), lstm_end(segment.flip(0), *back)])
        torch.testing.assert_close(logits, model.head(ends))
