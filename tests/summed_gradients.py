"""Started by torchrun: the gradients of batches of few rows, summed over the processes, against those of all rows."""

import torch
from torch import distributed, nn

from stages.common.engine import processes
from stages.common.engine.training import slices

processes.join("cpu")
torch.manual_seed(0)
module = nn.Linear(4, 3)
unused = nn.Parameter(torch.ones(2))
parameters = [*module.parameters(), unused]
for rows, pieces in ((1, 1), (2, 4), (7, 1), (8, 2)):
    batch = torch.randn(rows, 4)
    whole = module(batch).square().sum(1).mean()
    expected = torch.autograd.grad(whole, list(module.parameters()))
    loss = 0.0
    for piece in slices(rows, pieces):
        part = module(batch[piece]).square().sum() / rows
        part.backward()
        loss += part.item()
    assert abs(processes.sum_gradients(parameters, loss) - whole.item()) < 1e-6
    for one, gradient in zip(module.parameters(), expected, strict=True):
        torch.testing.assert_close(one.grad, gradient)
    assert unused.grad is None
    module.zero_grad()
print("as one process")
distributed.destroy_process_group()
