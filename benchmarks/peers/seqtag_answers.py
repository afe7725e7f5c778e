"""seqtag as a user calls it: `load(RUN).predict(sentences)`."""

from __future__ import annotations

from peers.answering import Answering, Job, main


def open_model(job: Job) -> Answering:
    from seqtag import load

    predictor = load(job.model, threads=len(job.cores))
    return Answering(predictor.predict, lambda sentence: predictor.predict([sentence])[0])


if __name__ == "__main__":
    main(open_model)
