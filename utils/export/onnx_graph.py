"""ONNX graphs, node by node, with weights in 32, 16 or 8 bits.

Written out here and not traced: the graph has no node that is not in the formulas, and stays the
same whatever version of torch wrote it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17  # the first with LayerNormalization
IR_VERSION = 8  # what onnxruntime of that time reads
LARGEST_FILE = 1_900_000_000
"""Bytes of weights in one file; protobuf stops at 2 GiB, what is larger goes beside it."""
MIDDLE = 128
"""What zero is in 8 bits. Unsigned weights: pairs of signed ones overflow on processors without
VNNI (`reduce_range` of onnxruntime)."""
LARGEST = 127


class Graph:
    """A graph that grows by operations; names of values stand for the values.

    Args:
        name: of the graph.
        quantization: `float32`, `float16` (weights are stored in 16 bits and computed in 32) or
            `int8` (matrices are multiplied in 8 bits).
    """

    def __init__(self, name: str, quantization: str) -> None:
        self.name = name
        self.quantization = quantization
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, np.ndarray] = {}
        self.inputs: list[onnx.ValueInfoProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []
        self.metadata: dict[str, str] = {}

    def op(self, kind: str, *inputs: str, name: str | None = None, **attributes: Any) -> str:
        """Apply an operation with one result, and return the result's name."""
        return self.ops(kind, *inputs, names=(name,), **attributes)[0]

    def ops(
        self, kind: str, *inputs: str, names: tuple[str | None, ...], **attributes: Any
    ) -> list[str]:
        """Apply an operation with several results; a name of None is made up."""
        number = len(self.nodes)
        results = [name or f"{kind.lower()}_{number}_{n}" for n, name in enumerate(names)]
        self.nodes.append(helper.make_node(kind, list(inputs), results, **attributes))
        return results

    def constant(self, values: Any, dtype: type = np.int64) -> str:
        """A small constant."""
        array: np.ndarray = np.asarray(values, dtype)
        text = "_".join(map(str, array.reshape(-1).tolist()))
        name = f"{array.dtype.name}_{text or 'none'}_{'x'.join(map(str, array.shape))}"
        self.weights[name] = array
        return name

    def weight(self, name: str, values: np.ndarray) -> str:
        """A float32 tensor; stored in 16 bits unless all is to be float32."""
        if self.quantization == "float32" or values.ndim < 2:
            self.weights[name] = np.ascontiguousarray(values, np.float32)
            return name
        half = f"{name}.fp16"
        if half not in self.weights:
            self.weights[half] = np.ascontiguousarray(values, np.float16)
            self.op("Cast", half, name=name, to=TensorProto.FLOAT)
        return name

    def linear(self, x: str, name: str, weight: np.ndarray, bias: np.ndarray | None) -> str:
        """`x @ weight.T + bias`.

        Args:
            x: `(..., I)`.
            name: of the layer.
            weight: float32 `(O, I)`.
            bias: float32 `(O,)`.
        """
        if self.quantization == "int8":
            y = self._integer_product(x, *self._store_rows(name, weight.T, axis=0))
        else:
            y = self.op("MatMul", x, self.weight(f"{name}.weight", weight.T))
        return y if bias is None else self.op("Add", y, self.weight(f"{name}.bias", bias))

    def table(self, name: str, weight: np.ndarray) -> tuple[str, str | None]:
        """A table `(V, D)` that rows are taken from and that projects on its rows.

        Returns:
            Its name, and that of its rows' scales `(V, 1)` where it has 8 bits.
        """
        if self.quantization == "int8":
            return self._store_rows(name, weight, axis=1)
        return self.weight(name, weight), None

    def rows(self, table: tuple[str, str | None], ids: str) -> str:
        """Rows `(B, T, D)` of a table for ids `(B, T)`."""
        name, scale = table
        found = self.op("Gather", name, ids)
        if scale is None:
            return found
        centred = self.op("Sub", self._float(found), self.constant(MIDDLE, np.float32))
        return self.op("Mul", centred, self.op("Gather", scale, ids))

    def project(self, x: str, table: tuple[str, str | None]) -> str:
        """`x @ table.T`, `(..., D)` to `(..., V)`."""
        name, scale = table
        turned = self.op("Transpose", name, perm=[1, 0])
        if scale is None:
            return self.op("MatMul", x, turned)
        return self._integer_product(x, turned, self.op("Reshape", scale, self.constant([-1])))

    def _store_rows(self, name: str, values: np.ndarray, axis: int) -> tuple[str, str]:
        """Store a matrix in 8 bits, a scale for each row (axis 1) or column (axis 0)."""
        scale = np.abs(values).max(axis, keepdims=True).astype(np.float32) / LARGEST
        scale = np.where(scale == 0, 1, scale).astype(np.float32)
        self.weights[f"{name}.uint8"] = (np.rint(values / scale) + MIDDLE).astype(np.uint8)
        self.weights[f"{name}.scale"] = scale if axis == 1 else scale.reshape(-1)
        return f"{name}.uint8", f"{name}.scale"

    def _integer_product(self, x: str, matrix: str, scale: str) -> str:
        """Multiply in 8 bits; the order of nodes is the one that onnxruntime makes one of."""
        small, x_scale, x_middle = self.ops("DynamicQuantizeLinear", x, names=(None,) * 3)
        middle = self.constant(MIDDLE, np.uint8)
        product = self.op("MatMulInteger", small, matrix, x_middle, middle)
        return self.op("Mul", self._float(product), self.op("Mul", x_scale, scale))

    def _float(self, x: str) -> str:
        return self.op("Cast", x, to=TensorProto.FLOAT)

    def norm(self, x: str, name: str, layer: Any) -> str:
        """Torch's LayerNorm."""
        scale = self.weight(f"{name}.weight", layer.weight.detach().numpy())
        bias = self.weight(f"{name}.bias", layer.bias.detach().numpy())
        return self.op("LayerNormalization", x, scale, bias, axis=-1, epsilon=layer.eps)

    def gelu(self, x: str) -> str:
        """`x / 2 * (1 + erf(x / sqrt(2)))`, in the order that onnxruntime makes one node of."""
        inner = self.op("Erf", self.op("Div", x, self.constant(np.sqrt(2.0), np.float32)))
        risen = self.op("Add", inner, self.constant(1.0, np.float32))
        return self.op("Mul", self.op("Mul", x, risen), self.constant(0.5, np.float32))

    def dimension(self, x: str, axis: int) -> str:
        """A dimension's size, int64 `(1,)`."""
        shape = self.op("Shape", x)
        return self.op("Gather", shape, self.constant([axis]))

    def takes(self, name: str, shape: list[Any], dtype: int = TensorProto.FLOAT) -> str:
        """An input; sizes are numbers or names."""
        self.inputs.append(helper.make_tensor_value_info(name, dtype, shape))
        return name

    def gives(self, name: str, shape: list[Any], dtype: int = TensorProto.FLOAT) -> None:
        """An output, of a value of that name."""
        self.outputs.append(helper.make_tensor_value_info(name, dtype, shape))

    def save(self, path: Path) -> None:
        """Check the graph and write it.

        Raises:
            OSError: the disk is full or the folder cannot be written to.
        """
        graph = helper.make_graph(
            self.nodes,
            self.name,
            self.inputs,
            self.outputs,
            [numpy_helper.from_array(values, name) for name, values in self.weights.items()],
        )
        opset = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION)
        helper.set_model_props(model, self.metadata)
        path.parent.mkdir(parents=True, exist_ok=True)
        size = sum(values.nbytes for values in self.weights.values())
        beside = f"{path.name}_data" if size > LARGEST_FILE else None
        onnx.save(model, str(path), save_as_external_data=beside is not None, location=beside)
        onnx.checker.check_model(str(path))
