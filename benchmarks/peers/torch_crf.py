"""A linear-chain CRF in PyTorch as it is commonly written: log space, batched, a loop over time, autograd."""

from __future__ import annotations

import torch

FORBIDDEN = -1e4  # as seqtag has it


class CRF(torch.nn.Module):
    """Transition, start and end scores of K labels; what is forbidden scores -10,000."""

    def __init__(self, allowed: dict[str, list]) -> None:
        super().__init__()
        for name, table in allowed.items():
            permitted = torch.tensor(table)
            self.register_buffer(f"allowed_{name}", permitted)
            self.register_parameter(name, torch.nn.Parameter(torch.zeros(permitted.shape)))

    def scores(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return transitions (K, K), start (K,) and end (K,)."""
        names = ("transitions", "start", "end")
        return tuple(getattr(self, name).masked_fill(~getattr(self, f"allowed_{name}"), FORBIDDEN) for name in names)

    def log_likelihood(self, emissions: torch.Tensor, labels: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return log p(labels | emissions), shape (B,), of emissions (B, T, K), labels (B, T) and a mask (B, T)."""
        transitions, start, end = self.scores()
        return _path_score(emissions, labels, mask, transitions, start, end) - _log_z(
            emissions, mask, transitions, start, end
        )

    @torch.no_grad()
    def viterbi(self, emissions: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the best labels (B, T); beyond a length they mean nothing."""
        transitions, start, end = self.scores()
        best = start + emissions[:, 0]
        pointers = []
        stay = torch.arange(len(start)).expand(len(emissions), -1)
        for t in range(1, emissions.shape[1]):
            reached, before = (best[:, :, None] + transitions).max(1)
            live = mask[:, t, None]
            best = torch.where(live, reached + emissions[:, t], best)
            pointers.append(torch.where(live, before, stay))
        path = [(best + end).argmax(1)]
        for before in reversed(pointers):
            path.append(before.gather(1, path[-1][:, None])[:, 0])
        return torch.stack(path[::-1], 1)


def _path_score(emissions, labels, mask, transitions, start, end) -> torch.Tensor:
    here = emissions.gather(2, labels[..., None])[..., 0]
    steps = transitions[labels[:, :-1], labels[:, 1:]]
    last = labels.gather(1, mask.sum(1, keepdim=True) - 1)[:, 0]
    return start[labels[:, 0]] + (here * mask).sum(1) + (steps * mask[:, 1:]).sum(1) + end[last]


def _log_z(emissions, mask, transitions, start, end) -> torch.Tensor:
    alpha = start + emissions[:, 0]
    for t in range(1, emissions.shape[1]):
        reached = torch.logsumexp(alpha[:, :, None] + transitions, 1) + emissions[:, t]
        alpha = torch.where(mask[:, t, None], reached, alpha)
    return torch.logsumexp(alpha + end, 1)
