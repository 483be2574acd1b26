"""Compiled models from Python, by ctypes and numpy alone.

    import bigsc
    m = bigsc.Model("bert.so", "folder-of-weights")
    m.entries                                  # ['hidden', 'logits', ...]
    y = m.hidden([[101, 7592, 102]])           # inputs in order, or by name: arrays in, an array out
    v = m.text_embed(["one text", "another"])  # where the library has it: texts in, a row a text out
    ids, types = m.tokenize("one text")

The library is made by `bigsc bert.mdl -o bert.so`, and may carry its weights (--embed-weights): then Model("bert.so") is all.
A handle computes for one thread at a time, and others wait; m.clone() shares its weights, for another thread.  Nothing is to be
built: this file can be copied beside a program.
"""

import ctypes as C
import operator
import os
import re
import threading

import numpy as np

_DTYPES = {"f32": np.float32, "f64": np.float64, "i32": np.int32, "bool": np.bool_, "c64": np.complex64}
_RANK = 8  # BIGS_INFO_RANK


class Error(Exception):
    """What a library reports; `status` as in docs/c-interface.md."""

    def __init__(self, text, status):
        super().__init__(text)
        self.status = status


# ---- the structs of <bigsc/info.h>, as far as they are used here
class _Dim(C.Structure):
    _fields_ = [("name", C.c_char_p), ("bound", C.c_int64)]


class _Tensor(C.Structure):
    _fields_ = [
        ("name", C.c_char_p),
        ("dtype", C.c_char_p),
        ("rank", C.c_int),
        ("optional", C.c_int),
        ("fallback", C.c_double),
        ("axis", C.c_char_p * _RANK),
        ("size", C.c_int64 * _RANK),
        ("extent", C.c_char_p * _RANK),
    ]


class _Entry(C.Structure):
    _fields_ = [
        ("name", C.c_char_p),
        ("program", C.c_int),
        ("trains", C.c_int),
        ("ndim", C.c_int),
        ("ninput", C.c_int),
        ("dim", C.POINTER(C.c_int)),
        ("input", C.POINTER(_Tensor)),
        ("output", _Tensor),
    ]


class _Info(C.Structure):
    _fields_ = [
        ("model", C.c_char_p),
        ("version", C.c_char_p),
        ("target", C.c_char_p),
        ("features", C.c_char_p),
        ("ndim", C.c_int),
        ("nvalue", C.c_int),
        ("nentry", C.c_int),
        ("nparameter", C.c_int),
        ("dim", C.POINTER(_Dim)),
        ("value", C.c_void_p),
        ("entry", C.POINTER(_Entry)),
    ]


class _Options(C.Structure):  # of bigs_options the first fields: `size` says how many
    _fields_ = [
        ("size", C.c_size_t),
        ("threads", C.c_int),
        ("fresh", C.c_int),
        ("seed", C.c_uint64),
        ("memory", C.c_int64),
        ("vocab", C.c_char_p),
    ]


def _shape(tensor, dims):
    """Sizes of the axes; an extent is a polynomial in the dims and quotients of those: 768, B, 2*L + 1, div(L, 2)."""
    return tuple(
        tensor.size[a] or eval(tensor.extent[a].decode(), {"__builtins__": {}, "div": operator.floordiv}, dims) for a in range(tensor.rank)
    )


def _names_in(extent):
    return re.findall(r"[A-Za-z_]\w*", extent)


def _fits(given, dtype):
    """Whether the numbers stay what they are, but for the rounding of floating ones."""
    kinds = given.dtype.kind + np.dtype(dtype).kind
    if kinds in ("ff", "fc", "cc"):
        with np.errstate(over="ignore"):
            return np.array_equal(np.isfinite(given.astype(dtype)), np.isfinite(given))
    return given.dtype.kind in "iub" and np.array_equal(given.astype(dtype), given)


def _whole(name, value, least, most):
    """ctypes takes any number, and cuts it off."""
    if not least <= operator.index(value) <= most:
        raise ValueError(f"{name} is {value}: it is {least} to {most}")
    return operator.index(value)


def _array(value, tensor):
    """`value` as the entry takes it; numbers that would change are refused."""
    name, dtype = tensor.name.decode(), _DTYPES[tensor.dtype.decode()]
    given = np.asarray(value)
    if given.size and not _fits(given, dtype):
        raise TypeError(f"{name} is {given.dtype}, and cannot be {np.dtype(dtype).name} as it is")
    x = np.ascontiguousarray(given, dtype).reshape(given.shape)
    if x.ndim != tensor.rank:
        raise ValueError(f"{name} has {x.ndim} axes, and the model's {tensor.rank}")
    return x


def _text(text):
    if "\0" in text:
        raise ValueError("a text holds a zero byte")
    return text.encode()


class Model:
    def __init__(self, library, weights=None, *, threads=0, fresh=False, seed=0, memory=0, vocab=None):
        self._library = C.CDLL(os.path.abspath(library))
        try:
            info = self._library.bigs_module_info
        except AttributeError:
            raise Error(f"{library} is no model that bigsc compiled", 3) from None
        info.restype = C.POINTER(_Info)
        self._info = info().contents
        self._prefix = self._info.model.decode().lower()
        size = C.sizeof(_Options) if vocab else _Options.vocab.offset
        threads, seed = _whole("threads", threads, 0, 1024), _whole("seed", seed, 0, 2**64 - 1)
        memory = _whole("memory", memory, 0, 2**63 - 1)
        options = _Options(size, threads, bool(fresh), seed, memory, os.fsencode(vocab) if vocab else None)
        self._open("open_with", os.fsencode(weights) if weights else None, C.byref(options))

    def _open(self, name, *arguments):
        self._lock = threading.RLock()
        error = C.create_string_buffer(1024)
        function = self._function(name, C.c_void_p)
        pointers = [C.c_char_p(a) if isinstance(a, bytes) else a for a in arguments]
        self._handle = function(*pointers, error, C.c_size_t(len(error)))
        if not self._handle:
            raise Error(error.value.decode(errors="replace"), 3)
        for i in range(self._info.nentry):
            if not self._info.entry[i].trains:  # those take what the data line picks: from C
                self._add(self._info.entry[i])

    def _function(self, name, result):
        function = getattr(self._library, f"{self._prefix}_{name}")
        function.restype = result
        return function

    def _has(self, name):
        return hasattr(self._library, f"{self._prefix}_{name}")

    def _add(self, entry):
        name = entry.name.decode()
        setattr(self, name, lambda *a, **k: self._call(name, entry, a, k))
        if self._has(f"text_{name}"):
            setattr(self, f"text_{name}", lambda texts: self._texts(name, entry, texts))

    def _at(self):
        if not self._handle:
            raise ValueError("the model is closed")
        return C.c_void_p(self._handle)

    def _do(self, name, result, *arguments):
        """A function of the handle, by one thread at a time: ctypes lets others run meanwhile.  An int is a status."""
        with self._lock:
            got = self._function(name, result)(self._at(), *arguments)
            if got and result is C.c_int or result is C.c_int64 and got < 0:
                raise Error(self._function("error", C.c_char_p)(self._at()).decode(errors="replace"), abs(got))
        return got

    def _names(self, entry):
        return [self._info.dim[entry.dim[i]].name.decode() for i in range(entry.ndim)]

    def _arrays(self, name, entry, positional, named):
        tensors = [entry.input[i] for i in range(entry.ninput)]
        names = [t.name.decode() for t in tensors]
        if len(positional) > len(names):
            raise TypeError(f"{name} takes {', '.join(names)}")
        values = dict(zip(names, positional))
        for key, value in named.items():
            if key not in names or key in values:
                raise TypeError(f"{name}: {key} is given twice" if key in values else f"{name} takes {', '.join(names)}")
            values[key] = value
        return tensors, [None if values.get(n) is None else _array(values[n], t) for n, t in zip(names, tensors)]

    def _dims(self, name, entry, tensors, arrays):
        """Run-time dims by name, from the shapes that are given."""
        known = self._names(entry)
        dims = {}
        for tensor, x in zip(tensors, arrays):
            for a in range(tensor.rank if x is not None else 0):
                extent = tensor.extent[a].decode()
                if extent in known and dims.setdefault(extent, x.shape[a]) != x.shape[a]:
                    raise ValueError(f"{name}: {extent} is {dims[extent]}, and {x.shape[a]} in {tensor.name.decode()}")
        self._solve(tensors, arrays, known, dims)
        missing = [d for d in known if d not in dims]
        if missing:
            raise ValueError(f"{name}: no input says what {missing[0]} is")
        for tensor, x in zip(tensors, arrays):
            if x is not None and x.shape != _shape(tensor, dims):
                raise ValueError(f"{name}: {tensor.name.decode()} is {x.shape}, not {_shape(tensor, dims)}")
        return dims

    @staticmethod
    def _solve(tensors, arrays, known, dims):
        """A dim that stands nowhere alone, from a size that is linear in it; whether it is right the shapes tell."""
        for tensor, x in zip(tensors, arrays):
            for a in range(tensor.rank if x is not None else 0):
                missing = [d for d in known if d not in dims and d in _names_in(tensor.extent[a].decode())]
                if len(missing) == 1:
                    at = [_shape(tensor, {**dict.fromkeys(known, 1), **dims, missing[0]: n})[a] for n in (0, 1)]
                    rest, slope = x.shape[a] - at[0], at[1] - at[0]
                    if slope and rest % slope == 0 and rest // slope > 0:
                        dims[missing[0]] = rest // slope

    def _call(self, name, entry, positional, named):
        tensors, arrays = self._arrays(name, entry, positional, named)
        dims = self._dims(name, entry, tensors, arrays)
        out = np.empty([max(n, 0) for n in _shape(entry.output, dims)], _DTYPES[entry.output.dtype.decode()])
        pointers = [C.c_void_p(None if x is None else x.ctypes.data) for x in arrays + [out]]
        sizes = [C.c_int64(dims[n]) for n in self._names(entry)]
        self._do(name, C.c_int, *sizes, *pointers)
        return out

    def _texts(self, name, entry, texts):
        if isinstance(texts, str):
            raise TypeError("a list of texts, not one")
        encoded = [_text(t) for t in texts]
        row = _shape(entry.output, dict.fromkeys(self._names(entry), 1))[1:]
        out = np.empty((len(encoded), *row), np.float32)
        array = (C.c_char_p * len(encoded))(*encoded)
        self._do(f"text_{name}", C.c_int, C.c_int64(len(encoded)), array, C.c_void_p(out.ctypes.data))
        return out

    # ---- besides the entries
    @property
    def entries(self):
        return [e.name.decode() for e in (self._info.entry[i] for i in range(self._info.nentry)) if not e.trains]

    @property
    def notes(self):
        """Parts that the weights lacked, a line each."""
        return self._do("notes", C.c_char_p).decode(errors="replace")

    def tokenize(self, text, pair=None):
        """Ids and types of a text, or of two, with the special tokens around them."""
        texts = [C.c_char_p(None if t is None else _text(t)) for t in (text, pair)]
        n = self._do("tokenize", C.c_int64, *texts, C.c_int64(0), None, None)
        ids, types = np.empty(n, np.int32), np.empty(n, np.int32)
        pointers = [C.c_void_p(x.ctypes.data) for x in (ids, types)]
        self._do("tokenize", C.c_int64, *texts, C.c_int64(n), *pointers)
        return ids, types

    def token(self, id):
        """The text of a token; None: there is no such id."""
        known = -(2**31) <= operator.index(id) < 2**31
        text = self._do("token", C.c_char_p, C.c_int32(id)) if known else None
        return None if text is None else text.decode(errors="replace")

    def clone(self):
        """Another handle of the same weights, which are in memory once."""
        other = object.__new__(type(self))
        other._library, other._info, other._prefix = self._library, self._info, self._prefix
        with self._lock:
            other._open("clone", self._at())
        return other

    def close(self):
        if getattr(self, "_handle", None):
            with self._lock:
                handle, self._handle = self._handle, None
                if handle:
                    self._function("close", None)(C.c_void_p(handle))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __del__(self):
        self.close()

