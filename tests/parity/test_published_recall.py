"""Published recall, and its "top 1 %", which takes one reference too many."""

import re

import numpy as np
import pytest
import torch
from torch.nn import functional

from eval.metrics import rank_references, retrieval_metrics


@pytest.mark.parity("f_get_recall*")
def test_recall(published):
    """The published list holds recall at 1, 2, …. Its code takes 1 % of the references as an index from zero, so it gets one rank too many.

    Here recall@1% takes the best 1 % of the references (rounded down, at least one), as it is defined.
    """
    database, noise = published.draws()
    text = published.spec["inputs"]
    query = database + float(re.search(r"q=db\+([\d.]+)\*", text)[1]) * noise
    first = int(re.search(r"case B the first (\d+) rows", text)[1])
    for name, embeddings in (("A", [functional.normalize(torch.from_numpy(v)) for v in (query, database)]),
                             ("B", [torch.from_numpy(v[:first]) for v in (query, database)])):  # fmt: skip
        values, rank = published.spec["values"][name], rank_references(*embeddings, "euclidean")[0]
        recall = np.array([(rank < k).mean() * 100 for k in range(1, 2 * values["threshold"] + 1)])
        published.compare(f"{name}_recall_f64", recall, 1e-12)
        if name == "A":
            published.compare("A_rank_of_true", rank, 0)
        metrics = retrieval_metrics(*embeddings, metric="euclidean")
        assert metrics["recall@1"] == pytest.approx(recall[0])
        assert metrics["recall@1%"] == pytest.approx(recall[values["threshold"] - 1])  # recall at that rank …
        assert values["one_percent_recall_as_reported"] == pytest.approx(recall[values["threshold"]])  # … and at the next
        assert values["one_percent_recall_as_reported"] >= metrics["recall@1%"]
