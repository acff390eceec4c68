# SPDX-License-Identifier: Apache-2.0
"""Write and read GGUF version 3 files: as much of the format as the reference models use."""

import struct

import numpy as np

UINT32, INT32, FLOAT32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9
_FORMAT = {UINT32: "<I", INT32: "<i", FLOAT32: "<f", BOOL: "<?"}
F32, F16, Q8_0 = 0, 1, 8
ALIGNMENT = 32
_Q8_BLOCK = 32


def _string(text):
    raw = text.encode("utf-8")
    return struct.pack("<Q", len(raw)) + raw


def _value(kind, v):
    return _string(v) if kind == STRING else struct.pack(_FORMAT[kind], v)


def quantise_q8_0(a):
    """Blocks of 32 weights of a row: a half-precision scale and 32 signed bytes."""
    blocks = a.astype(np.float32).reshape(-1, _Q8_BLOCK)
    scale = np.abs(blocks).max(1) / 127
    inverse = np.divide(1, scale, out=np.zeros_like(scale), where=scale > 0)
    out = np.zeros(len(blocks), dtype=[("scale", "<f2"), ("q", "i1", _Q8_BLOCK)])
    out["scale"] = scale
    out["q"] = np.rint(blocks * inverse[:, None])
    return out


def _restore_q8_0(raw, shape):
    blocks = np.frombuffer(raw, dtype=[("scale", "<f2"), ("q", "i1", _Q8_BLOCK)])
    return (blocks["q"].astype(np.float32) * blocks["scale"].astype(np.float32)[:, None]).reshape(shape)


class Writer:
    def __init__(self):
        self._keys, self._tensors = [], []

    def key(self, name, kind, value):
        self._keys.append(_string(name) + struct.pack("<I", kind) + _value(kind, value))

    def list(self, name, kind, values):
        head = _string(name) + struct.pack("<IIQ", ARRAY, kind, len(values))
        self._keys.append(head + b"".join(_value(kind, v) for v in values))

    def tensor(self, name, a, kind=F32):
        """a: numpy array in PyTorch's order. Q8_0 falls back to F16 where rows are no multiple of 32."""
        if kind == Q8_0 and (a.ndim != 2 or a.shape[-1] % _Q8_BLOCK):
            kind = F16
        if kind == Q8_0:
            raw = quantise_q8_0(a).tobytes()
        else:
            raw = np.ascontiguousarray(a, np.float16 if kind == F16 else np.float32).tobytes()
        self._tensors.append((name, a.shape, kind, raw))

    def write(self, path):
        head = b"GGUF" + struct.pack("<IQQ", 3, len(self._tensors), len(self._keys)) + b"".join(self._keys)
        offset = 0
        for name, shape, kind, raw in self._tensors:
            dims = b"".join(struct.pack("<Q", d) for d in shape[::-1])
            head += _string(name) + struct.pack("<I", len(shape)) + dims + struct.pack("<IQ", kind, offset)
            offset += -(-len(raw) // ALIGNMENT) * ALIGNMENT
        with open(path, "wb") as f:
            f.write(head + b"\0" * (-len(head) % ALIGNMENT))
            for _, _, _, raw in self._tensors:
                f.write(raw + b"\0" * (-len(raw) % ALIGNMENT))


class Reader:
    """keys: name -> value; tensors: name -> float32 array in PyTorch's order."""

    def __init__(self, path):
        with open(path, "rb") as f:
            self._raw = f.read()
        self._at = 4
        version, tensors, keys = self._unpack("<IQQ")
        assert self._raw[:4] == b"GGUF" and version == 3
        self.keys = {}
        for _ in range(keys):
            name = self._text()
            self.keys[name] = self._read(self._unpack("<I")[0])
        infos = []
        for _ in range(tensors):
            name, rank = self._text(), self._unpack("<I")[0]
            shape = self._unpack(f"<{rank}Q")[::-1]
            infos.append((name, shape, *self._unpack("<IQ")))
        base = -(-self._at // ALIGNMENT) * ALIGNMENT
        self.tensors = {name: self._tensor(shape, kind, base + at) for name, shape, kind, at in infos}

    def _unpack(self, form):
        values = struct.unpack_from(form, self._raw, self._at)
        self._at += struct.calcsize(form)
        return values

    def _text(self):
        n = self._unpack("<Q")[0]
        self._at += n
        return self._raw[self._at - n : self._at].decode("utf-8")

    def _read(self, kind):
        if kind == STRING:
            return self._text()
        if kind == ARRAY:
            inner, count = self._unpack("<IQ")
            return [self._read(inner) for _ in range(count)]
        return self._unpack(_FORMAT[kind])[0]

    def _tensor(self, shape, kind, at):
        count = int(np.prod(shape))
        if kind == Q8_0:
            return _restore_q8_0(self._raw[at : at + count // _Q8_BLOCK * (_Q8_BLOCK + 2)], shape)
        a = np.frombuffer(self._raw, np.float16 if kind == F16 else np.float32, count, at)
        return a.astype(np.float32).reshape(shape)
