"""From scores to labels: Viterbi, forward-backward and softmax over padded batches, in NumPy alone.

Every function takes what a tagger's network hands over:

* ``emissions (B, T, K)``: the score of each label at each token, right-padded (what stands in the padding is
  ignored, even if it is not finite);
* ``lengths (B,)``: the true lengths, from 0 to T;
* ``transitions (K, K)``: the score of going from a row's label to a column's;
* ``start (K,)``, ``end (K,)``: the scores of beginning and ending with a label.

The score of a path ``y`` of length n is ``start[y1] + sum(emissions[t, yt]) + sum(transitions[yt, yt+1]) +
end[yn]``; that of a sequence of length 0 is 0. Everything is computed and returned in float64 whatever comes in:
a path's score is a sum over many tokens, and one sentence costs the same in either precision.

A score of ``-inf`` forbids a label or a transition altogether. `FORBIDDEN` does it softly, so that a path is left
when the constraints leave none.
"""

from seqtag.decoding._nbest import nbest
from seqtag.decoding._online import filter_step
from seqtag.decoding._paths import log_partition, marginals, sequence_score, viterbi
from seqtag.decoding._sampling import check_sampling, draw, truncated
from seqtag.decoding._spans import span_log_probability, tag_log_probability
from seqtag.decoding._tokens import FORBIDDEN, FREE, argmax, constrain, restrict, sigmoid, softmax, temper

__all__ = [
    "FORBIDDEN",
    "FREE",
    "argmax",
    "check_sampling",
    "constrain",
    "draw",
    "filter_step",
    "log_partition",
    "marginals",
    "nbest",
    "restrict",
    "sequence_score",
    "sigmoid",
    "softmax",
    "span_log_probability",
    "tag_log_probability",
    "temper",
    "truncated",
    "viterbi",
]
