"""Gradient-boosted trees of scikit-learn as ONNX: data that no program runs, unlike a pickle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

_OPSET = [("", 17), ("ai.onnx.ml", 3)]


def write_onnx(trees: HistGradientBoostingClassifier, path: Path) -> None:
    """
    Write *trees*, a classifier of two classes of numbers, to *path*.

    The graph takes ``features`` (rows of float32), and gives ``label`` and ``probabilities`` (two columns).
    """
    from onnx import TensorProto, checker, helper, save

    columns = trees.n_features_in_
    node = helper.make_node(
        "TreeEnsembleClassifier",
        ["features"],
        ["label", "probabilities"],
        domain="ai.onnx.ml",
        classlabels_int64s=[0, 1],
        post_transform="LOGISTIC",
        base_values=[float(trees._baseline_prediction.item())],  # noqa: SLF001 - scikit-learn has no other way to it
        **_nodes(trees),
    )
    inputs = [helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, columns])]
    outputs = [
        helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
        helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2]),
    ]
    graph = helper.make_graph([node], "voxels", inputs, outputs)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid(*one) for one in _OPSET], ir_version=8
    )
    checker.check_model(model)
    save(model, path)


def _nodes(trees: HistGradientBoostingClassifier) -> dict[str, list[Any]]:
    """Return the nodes of all trees as ONNX has them: one list for each of their properties."""
    nodes: dict[str, list[Any]] = {
        f"nodes_{name}": []
        for name in ("treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids")
    }
    leaves: dict[str, list[Any]] = {f"class_{name}": [] for name in ("treeids", "nodeids", "ids", "weights")}
    for tree, (predictor,) in enumerate(trees._predictors):  # noqa: SLF001
        for number, node in enumerate(predictor.nodes):
            leaf = bool(node["is_leaf"])
            entry = (
                tree,
                number,
                0 if leaf else int(node["feature_idx"]),
                0.0 if leaf else float(node["num_threshold"]),
            )
            branch = ("LEAF", 0, 0) if leaf else ("BRANCH_LEQ", int(node["left"]), int(node["right"]))
            for values, value in zip(nodes.values(), (*entry, *branch), strict=True):
                values.append(value)
            if leaf:
                for values, value in zip(
                    leaves.values(), (tree, number, 0, float(node["value"])), strict=True
                ):
                    values.append(value)
    return {**nodes, **leaves}
