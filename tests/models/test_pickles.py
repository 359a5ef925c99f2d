"""Pickles of published weights are read for their numbers; whatever else they hold is refused and does not run."""

import contextlib
import io
import os
import pickle
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plait.errors import InputError
from plait.models import pickle_machine, pickle_reader
from plait.models.pickles import is_pickle, read_kmeans, read_torch_state, refusal

joblib = pytest.importorskip("joblib")
cluster = pytest.importorskip("sklearn.cluster")


@pytest.fixture(scope="module")
def vectors():
    return np.random.default_rng(0).normal(size=(300, 256))


@pytest.fixture(scope="module")
def kmeans(vectors):
    return cluster.KMeans(n_clusters=7, n_init=1, random_state=0).fit(vectors)


@pytest.fixture
def marker(tmp_path):
    """A file that is there if something of a pickle has run; the test fails if it is."""
    path = tmp_path / "something-ran"
    yield path
    assert not path.exists(), "a part of the pickle was executed"


# -- codebooks


@pytest.mark.parametrize("compress", [0, 3, ("zlib", 9), ("gzip", 1), ("bz2", 3), ("lzma", 3), ("xz", 3)], ids=str)
def test_centres_are_those_of_the_kmeans_however_compressed(tmp_path, kmeans, compress):
    path = tmp_path / "7.joblib"
    joblib.dump(kmeans, path, compress=compress)
    centres = read_kmeans(path)
    assert centres.dtype == np.float64
    np.testing.assert_array_equal(centres, kmeans.cluster_centers_)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_protocol_of_joblib_is_read(tmp_path, kmeans, protocol):
    joblib.dump(kmeans, tmp_path / "7.joblib", protocol=protocol)
    np.testing.assert_array_equal(read_kmeans(tmp_path / "7.joblib"), kmeans.cluster_centers_)


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_plain_pickles_are_read(tmp_path, kmeans, protocol):
    (tmp_path / "7.pkl").write_bytes(pickle.dumps(kmeans, protocol))
    np.testing.assert_array_equal(read_kmeans(tmp_path / "7.pkl"), kmeans.cluster_centers_)


def test_single_precision_and_mini_batches(tmp_path, vectors):
    single = cluster.MiniBatchKMeans(n_clusters=5, n_init=1, random_state=0).fit(vectors.astype(np.float32))
    joblib.dump(single, tmp_path / "5.joblib")
    centres = read_kmeans(tmp_path / "5.joblib")
    assert centres.dtype == np.float32
    np.testing.assert_array_equal(centres, single.cluster_centers_)


def test_fortran_order_and_foreign_bytes_and_a_start_given_as_array(tmp_path, vectors):
    fitted = cluster.KMeans(n_clusters=7, init=vectors[:7], n_init=1).fit(vectors)
    expected = fitted.cluster_centers_.copy()
    fitted.cluster_centers_ = np.asfortranarray(expected)
    joblib.dump(fitted, tmp_path / "f.joblib")
    np.testing.assert_array_equal(read_kmeans(tmp_path / "f.joblib"), expected)
    fitted.cluster_centers_ = expected.astype(">f8")
    joblib.dump(fitted, tmp_path / "big.joblib")
    centres = read_kmeans(tmp_path / "big.joblib")
    np.testing.assert_array_equal(centres, expected)
    assert centres.dtype.isnative


def test_older_names_and_older_joblib_are_read(tmp_path, kmeans):
    """What numpy before 2 and joblib before 1.1 wrote: other module, no alignment, so no padding byte."""

    class Old(joblib.numpy_pickle.NumpyPickler):
        def _create_array_wrapper(self, array):
            wrapper = super()._create_array_wrapper(array)
            del wrapper.numpy_array_alignment_bytes
            return wrapper

    stream = io.BytesIO()
    Old(stream, protocol=3).dump(kmeans)  # protocol 3 has no frames and names as lines, whose lengths may change
    written = stream.getvalue()
    assert b"cnumpy._core.multiarray\n" in written
    (tmp_path / "old.joblib").write_bytes(written.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n"))
    np.testing.assert_array_equal(read_kmeans(tmp_path / "old.joblib"), kmeans.cluster_centers_)


# -- codebooks that are none


def refused(path, *words):
    with pytest.raises(InputError) as caught:
        read_kmeans(path)
    text = str(caught.value)
    assert text.startswith(str(path))
    assert "\n" not in text
    for word in words:
        assert word in text
    return text


class Call:
    """Pickles as a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def touch(marker):
    return f"open({str(marker)!r}, 'w').close()"


MALICIOUS = {
    f"{os.system.__module__}.system": lambda marker: Call(os.system, f"echo > {marker}"),
    "builtins.eval": lambda marker: Call(eval, touch(marker)),
    "builtins.exec": lambda marker: Call(exec, touch(marker)),
    "subprocess.Popen": lambda marker: Call(subprocess.Popen, [sys.executable, "-c", touch(marker)]),
    "builtins.getattr": lambda marker: Call(getattr, np.ndarray, "tofile"),
}


@pytest.mark.parametrize("name", MALICIOUS)
def test_calls_are_refused_by_name_alone_and_within_a_kmeans(tmp_path, marker, kmeans, name):
    call = MALICIOUS[name](marker)
    (tmp_path / "bare.pkl").write_bytes(pickle.dumps(call, 4))
    refused(tmp_path / "bare.pkl", "refused", name)
    nested = pickle.loads(pickle.dumps(kmeans))
    nested.random_state = call
    joblib.dump(nested, tmp_path / "nested.joblib")
    refused(tmp_path / "nested.joblib", "refused", name)
    joblib.dump(nested, tmp_path / "packed.joblib", compress=3)
    refused(tmp_path / "packed.joblib", "refused", name)


def test_a_handwritten_call_is_refused(tmp_path, marker):
    text = f"cos\nsystem\n(S'echo > {marker}'\ntR.".encode()
    (tmp_path / "old.pkl").write_bytes(text)
    refused(tmp_path / "old.pkl", "os.system")
    (tmp_path / "inst.pkl").write_bytes(f"(S'echo > {marker}'\nios\nsystem\n.".encode())
    refused(tmp_path / "inst.pkl")


def test_a_dotted_way_round_the_list_is_refused(tmp_path, marker):
    def string(text):
        return b"\x8c" + bytes([len(text)]) + text

    for module, name in ((b"numpy", b"ndarray.tofile"), (b"numpy.ndarray", b"__reduce__"), (b"", b"numpy.dtype")):
        (tmp_path / "dotted.pkl").write_bytes(b"\x80\x04" + string(module) + string(name) + b"\x93)\x81.")
        refused(tmp_path / "dotted.pkl", "refused")


def test_arrays_of_objects_are_refused_with_what_they_hold(tmp_path, marker, kmeans):
    nested = pickle.loads(pickle.dumps(kmeans))
    nested.cluster_centers_ = np.array([[Call(os.system, f"echo > {marker}")]], object)
    joblib.dump(nested, tmp_path / "objects.joblib")
    refused(tmp_path / "objects.joblib", "not of plain numbers")
    (tmp_path / "objects.pkl").write_bytes(pickle.dumps(nested, 4))
    refused(tmp_path / "objects.pkl")
    nested.cluster_centers_ = np.zeros(3, [("x", "f8")])
    joblib.dump(nested, tmp_path / "records.joblib")
    refused(tmp_path / "records.joblib", "not of plain numbers")


def test_a_huge_shape_is_refused_before_anything_is_allocated(tmp_path, kmeans):
    joblib.dump(kmeans, tmp_path / "7.joblib")
    data = (tmp_path / "7.joblib").read_bytes()
    shape = b"K\x07M\x00\x01\x86"  # (7, 256)
    assert data.count(shape) == 1
    for rows, words in (
        (b"\x8a\x06\x00\x00\x00\x00\x00\x10M\x00\x01\x86", "too large"),  # 2^44
        (b"J\xff\xff\xff\xffM\x00\x01\x86", "shape"),  # -1
        (b"J\x00\xff\x03\x00M\x00\x01\x86", "cut short"),  # 261888: 511 MiB, which the file does not have
    ):
        # the frame's length counts the bytes up to the array
        changed = data.replace(shape, rows)
        (tmp_path / "huge.joblib").write_bytes(changed)
        refused(tmp_path / "huge.joblib", words)


def test_a_bomb_is_refused(tmp_path):
    import bz2

    # a string of 600 MiB in some hundred bytes
    size = 600 * 2**20
    bomb = bz2.compress(b"\x80\x04\x8d" + size.to_bytes(8, "little") + bytes(1000) + b".")
    (tmp_path / "bomb.joblib").write_bytes(bomb)
    refused(tmp_path / "bomb.joblib", "too large")
    endless = b"\x80\x04" + b"N0" * 60_000 + b"N."
    (tmp_path / "endless.joblib").write_bytes(bz2.compress(endless))
    refused(tmp_path / "endless.joblib", "too long")


@pytest.mark.parametrize("compress", [0, ("zlib", 3), ("gzip", 3), ("xz", 3), ("bz2", 3)], ids=str)
@pytest.mark.parametrize("share", [0.02, 0.5, 0.999])
def test_truncated_files_are_refused(tmp_path, kmeans, compress, share):
    joblib.dump(kmeans, tmp_path / "7.joblib", compress=compress)
    data = (tmp_path / "7.joblib").read_bytes()
    (tmp_path / "cut.joblib").write_bytes(data[: int(len(data) * share)])
    refused(tmp_path / "cut.joblib", "short")


def test_other_files_are_refused(tmp_path, kmeans):
    (tmp_path / "empty").write_bytes(b"")
    refused(tmp_path / "empty", "empty file")
    (tmp_path / "page.html").write_text("<html>404</html>")
    refused(tmp_path / "page.html", "not a pickle")
    refused(tmp_path / "absent", "no such file")
    refused(tmp_path)
    joblib.dump({"a": np.ones(3)}, tmp_path / "dict.joblib")
    refused(tmp_path / "dict.joblib", "got a dict", "KMeans")
    joblib.dump(cluster.KMeans(3), tmp_path / "unfitted.joblib")
    refused(tmp_path / "unfitted.joblib", "no centres")
    (tmp_path / "more.pkl").write_bytes(pickle.dumps(kmeans, 4) + b"more")
    refused(tmp_path / "more.pkl", "after the end")
    holed = pickle.loads(pickle.dumps(kmeans))
    holed.cluster_centers_[3, 5] = np.nan
    joblib.dump(holed, tmp_path / "holed.joblib")
    refused(tmp_path / "holed.joblib", "centre 3")


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_bytes_end_in_a_refusal_or_in_numbers(kmeans, data):
    """The machine alone, in this process: whatever the bytes, it raises what the reader expects and nothing else."""
    stream = io.BytesIO()
    joblib.numpy_pickle.NumpyPickler(stream, protocol=4).dump(kmeans)
    written = bytearray(stream.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        written[data.draw(st.integers(0, min(900, len(written) - 1)))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(pickle_machine.Refused, ValueError, OverflowError):
        pickle_machine.load(io.BytesIO(bytes(written)))


# -- torch files


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_tensors_come_by_name(tmp_path, zipped):
    state = {
        "a.weight": torch.randn(3, 4),
        "a.view": torch.arange(12.0).reshape(3, 4).T[1:],
        "b": torch.arange(5),
        "half": torch.ones(2, dtype=torch.bfloat16),
        "empty": torch.empty(0),
    }
    state["tied"] = state["a.weight"]
    torch.save(state, tmp_path / "state.pt", _use_new_zipfile_serialization=zipped)
    read = read_torch_state(tmp_path / "state.pt")
    assert set(read) == set(state)
    for name, tensor in state.items():
        np.testing.assert_array_equal(read[name], tensor.float().numpy() if name == "half" else tensor.numpy())


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("name", MALICIOUS)
def test_calls_in_torch_files_are_refused(tmp_path, marker, zipped, name):
    call = MALICIOUS[name](marker)
    path = tmp_path / "bad.pt"
    torch.save({"a": torch.ones(2), "b": call}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(InputError, match=name) as caught:
        read_torch_state(path)
    assert "\n" not in str(caught.value)
    assert "weights_only" not in str(caught.value)


def test_a_torch_zip_with_another_pickle_inside_is_refused(tmp_path, marker):
    torch.save({"a": torch.ones(2)}, tmp_path / "good.pt")
    with zipfile.ZipFile(tmp_path / "good.pt") as good, zipfile.ZipFile(tmp_path / "bad.pt", "w") as bad:
        for entry in good.infolist():
            content = good.read(entry)
            if entry.filename.endswith("data.pkl"):
                content = f"cos\nsystem\n(S'echo > {marker}'\ntR.".encode()
            bad.writestr(entry.filename, content)
    with pytest.raises(InputError, match=r"os\.system"):
        read_torch_state(tmp_path / "bad.pt")


def test_a_whole_module_is_refused(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "module.pt")
    with pytest.raises(InputError, match=r"torch\.nn\.modules\.linear\.Linear"):
        read_torch_state(tmp_path / "module.pt")


def test_other_contents_of_torch_files_are_refused(tmp_path):
    for content, words in (
        (torch.ones(3), "got a Tensor"),
        ({"state": {"a": torch.ones(3)}}, "'state': a dict"),
        ({"a": np.ones(3)}, "numpy"),
        ({0: torch.ones(3)}, "not a state dict"),
        ({"a": torch.ones(3).to_sparse()}, "sparse"),
        ({"a": torch.ones(1).expand(2**16, 2**16)}, "larger than the file"),
    ):
        torch.save(content, tmp_path / "other.pt")
        # in this process, since each of the others would load torch again
        with pytest.raises(pickle_machine.Refused) as caught:
            pickle_reader.read_torch(tmp_path / "other.pt", tmp_path)
        assert words in str(InputError(**caught.value.fields))


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_damaged_torch_files_are_refused(tmp_path, zipped):
    torch.save({"a": torch.randn(1000)}, tmp_path / "state.pt", _use_new_zipfile_serialization=zipped)
    data = (tmp_path / "state.pt").read_bytes()
    for share in (0.1, 0.6):
        (tmp_path / "cut.pt").write_bytes(data[: int(len(data) * share)])
        with pytest.raises(pickle_machine.Refused, match="damaged"):
            pickle_reader.read_torch(tmp_path / "cut.pt", tmp_path)
    (tmp_path / "text.pt").write_text("hello")
    with pytest.raises(InputError, match=r"text\.pt: not a torch file of tensors"):
        read_torch_state(tmp_path / "text.pt")


# -- the door elsewhere


def test_pickles_are_known_by_their_first_bytes(tmp_path, kmeans):
    joblib.dump(kmeans, tmp_path / "a")
    torch.save({"a": torch.ones(2)}, tmp_path / "b")
    torch.save({"a": torch.ones(2)}, tmp_path / "c", _use_new_zipfile_serialization=False)
    (tmp_path / "d").write_bytes(b'{"a": 1}')
    with zipfile.ZipFile(tmp_path / "e", "w") as archive:
        archive.writestr("readme", "no pickle")
    assert [is_pickle(tmp_path / name) for name in "abcde"] == [True, True, True, False, False]
    assert "plait models convert" in str(refusal(tmp_path / "a"))


def test_the_reading_process_can_start_no_other(tmp_path):
    """The second wall, should the allow-list ever have a hole."""
    program = (
        "import os, subprocess, plait.models.pickle_reader as r; r._forbid_processes()\n"
        "for call in (lambda: os.system('true'), lambda: subprocess.Popen(['true'])):\n"
        "    try: call()\n"
        "    except PermissionError: print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["refused", "refused"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the limit is asked for, but not kept")
def test_the_reading_process_has_little_memory(tmp_path):
    (tmp_path / "small").write_bytes(b"x")
    program = (
        "import numpy, pathlib, sys, plait.models.pickle_reader as r; r._limit(pathlib.Path(sys.argv[1]))\n"
        "try: numpy.empty(r.MEMORY)\n"
        "except MemoryError: print('refused')\n"
    )
    command = [sys.executable, "-c", program, tmp_path / "small"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["refused"]
