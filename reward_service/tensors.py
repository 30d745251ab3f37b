"""Arrays of a request and of its answer: raw, as typed contents, or in a region of shared memory."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reward_service import inference_pb2 as pb
from reward_service import protocol
from reward_service.protocol import ACTION, BYTE_SIZE, DATATYPE, FRAMES, OBSERVATION, OFFSET, REGION
from reward_service.refusal import invalid
from reward_service.shared_memory import Region, Regions

_DIMENSIONS = {DATATYPE: (2, "two"), FRAMES: (4, "four")}


def read_inputs(request: pb.ModelInferRequest, regions: Regions, datatypes: Mapping[str, str]) -> dict[str, np.ndarray]:
    """Both input tensors by name, finite and of the shape that they claim; raises `Refused`.

    Args:
        datatypes: what each must be, by name: FP32, or UINT8 for frames.
    """
    names = [tensor.name for tensor in request.inputs]
    if sorted(names) != sorted((OBSERVATION, ACTION)):
        raise invalid(f"the inputs are {names}; expected {[OBSERVATION, ACTION]}")
    places = [_place(f"input {tensor.name!r}", tensor.parameters, regions) for tensor in request.inputs]
    raw = request.raw_input_contents
    if raw and len(raw) != places.count(None):
        raise invalid(
            f"raw_input_contents has {len(raw)} entries; expected one for each of the {places.count(None)} inputs"
            + ("" if places.count(None) == len(places) else " in no region")
        )
    rest = iter(raw)
    arrays = {}
    for tensor, place in zip(request.inputs, places, strict=True):
        wanted = datatypes[tensor.name]
        if tensor.datatype != wanted:
            raise invalid(f"input {tensor.name!r} is of datatype {tensor.datatype!r}; expected {wanted!r}")
        shape = list(tensor.shape)
        dimensions, in_words = _DIMENSIONS[wanted]
        if len(shape) != dimensions or min(shape) < 0:
            raise invalid(f"input {tensor.name!r} has shape {shape}; expected {in_words} dimensions")
        if raw or place:
            data = place.region.read(place.offset, place.byte_size) if place else next(rest)
            width = 4 if wanted == DATATYPE else 1
            found = len(data) / width
            flat = protocol.from_wire(data[: len(data) // width * width], [-1], wanted)
        elif wanted == DATATYPE:
            found = len(tensor.contents.fp32_contents)
            flat = np.array(tensor.contents.fp32_contents, dtype=np.float32)
        else:
            found = len(tensor.contents.uint_contents)
            flat = _bytes(tensor.name, tensor.contents.uint_contents)
        if found != math.prod(shape):
            raise invalid(f"input {tensor.name!r} holds {found:g} numbers; its shape {shape} needs {math.prod(shape)}")
        if wanted == DATATYPE and not np.isfinite(flat).all():
            raise invalid(f"input {tensor.name!r} has numbers that are not finite")
        arrays[tensor.name] = flat.reshape(shape)
    return arrays


def _bytes(name: str, contents: Sequence[int]) -> np.ndarray:
    """Raises `Refused` where a number is above 255."""
    wide = np.array(contents, dtype=np.uint32)
    if (wide > 255).any():
        raise invalid(f"input {name!r} has numbers above 255; it is of datatype {FRAMES!r}")
    return wide.astype(np.uint8)


@dataclass(frozen=True)
class Wanted:
    """Outputs that a request asks for, by name, with the place in shared memory of those that have one."""

    places: dict[str, _Place | None]

    @staticmethod
    def by(request: pb.ModelInferRequest, names: tuple[str, ...], regions: Regions) -> Wanted:
        """All of ``names`` where the request names none; raises `Refused` for one that is not among them."""
        for output in request.outputs:
            if output.name not in names:
                raise invalid(f"unknown output {output.name!r}; expected {' or '.join(map(repr, names))}")
        places = {
            output.name: _place(f"output {output.name!r}", output.parameters, regions) for output in request.outputs
        }
        return Wanted(places or dict.fromkeys(names))

    def write(self, outputs: Mapping[str, np.ndarray], response: pb.ModelInferResponse) -> None:
        """Puts each array into its region or into the response. Raises `Refused` where it doesn't fit."""
        for name, place in self.places.items():
            data = protocol.to_wire(outputs[name])
            tensor = response.outputs.add(name=name, datatype=DATATYPE, shape=outputs[name].shape)
            if place:
                if len(data) > place.byte_size:
                    raise invalid(f"output {name!r} has {len(data)} bytes; {place.byte_size} were lent for it")
                place.region.write(place.offset, data)
                protocol.set_place(tensor.parameters, place.region.name, place.offset, len(data))
            # Clients find an output's raw contents by its position: what has none has an empty entry.
            response.raw_output_contents.append(b"" if place else data)


@dataclass(frozen=True)
class _Place:
    region: Region
    offset: int
    byte_size: int


def _place(what: str, parameters: Mapping[str, Any], regions: Regions) -> _Place | None:
    """Where in shared memory a tensor is, None where it is in none. Raises `Refused`."""
    if REGION not in parameters:
        return None
    found = {OFFSET: 0}
    for name in (OFFSET, BYTE_SIZE):
        if name in parameters:
            if parameters[name].WhichOneof("parameter_choice") != "int64_param":
                raise invalid(f"{what} has a {name} that is not an int64_param")
            found[name] = parameters[name].int64_param
    if BYTE_SIZE not in found:
        raise invalid(f"{what} is in a region, so it needs {BYTE_SIZE}")
    return _Place(regions.region(parameters[REGION].string_param), found[OFFSET], found[BYTE_SIZE])
