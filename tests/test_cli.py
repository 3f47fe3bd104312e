"""The commands of the shell: what they print, what they write, how they end."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import rsnn
from rsnn.cli import main

CONSTANT = ["simulate", "lif", "--set", "tau_mem=20", "v_threshold=10", "--constant", "11", "--steps", "100"]


def test_simulate_says_where_a_neuron_fires(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(CONSTANT) == 0
    said = capsys.readouterr().out
    assert "2 spikes" in said
    assert "at steps 47 95" in said


def test_simulate_writes_what_the_function_returns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x = np.random.default_rng(0).random((50, 3)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    out = tmp_path / "out.npz"
    assert main(["simulate", "alif", str(tmp_path / "x.npy"), "--set", "beta=0.9", "--record", "v", "a", "--out", str(out)]) == 0
    expected = rsnn.simulate(rsnn.ALIF(beta=0.9), x, record=("v", "a"))
    with np.load(out) as found:
        assert sorted(found.files) == ["a", "output", "state_a", "state_v", "v"]
        assert (found["output"] == expected.spikes).all()
        assert (found["v"] == expected.v).all()
        assert (found["state_a"] == expected.state.a).all()
    assert str(out) in capsys.readouterr().out


def test_simulate_reads_a_table_a_row_a_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.csv").write_text("0.5\n0.5\n2.5\n")
    assert main(["simulate", "iaf", str(tmp_path / "x.csv")]) == 0
    assert "3 spikes" in capsys.readouterr().out


def test_simulate_leaves_out_a_first_line_of_names_and_says_of_one_neuron_where_it_fired(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.csv").write_text("current\n0.5\n0.5\n2.5\n")
    assert main(["simulate", "iaf", str(tmp_path / "x.csv")]) == 0
    assert "  3 steps, 1 neuron: 3 spikes\n  at steps 1 2\n" in capsys.readouterr().out
    (tmp_path / "x.csv").write_text("0.5,0.1\n0.5,0.1\n")
    assert main(["simulate", "iaf", str(tmp_path / "x.csv")]) == 0
    said = capsys.readouterr().out
    assert "  2 steps, 2 neurons: 1 spikes\n" in said
    assert "at steps" not in said


@pytest.mark.parametrize("name", ["izhikevich:tonic_bursting", "adex:regular_bursting"])
def test_simulate_knows_the_published_behaviours_with_their_input(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", name]) == 0
    assert "spikes" in capsys.readouterr().out


def test_simulate_knows_the_neurons_of_other_libraries(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "snntorch.Leaky", "--set", "beta=0.5", "reset_mechanism=zero", "--constant", "0.75", "--steps", "4"]) == 0
    expected = rsnn.simulate(rsnn.presets.snntorch.Leaky(beta=0.5, reset_mechanism="zero"), 0.75, steps=4)
    assert f"{int(expected.spikes.sum())} spikes" in capsys.readouterr().out


def test_simulate_draws_spikes_and_by_default_the_membrane_with_its_threshold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture, drawn = tmp_path / "lif.png", []
    plot = rsnn.plot.result
    monkeypatch.setattr(rsnn.plot, "result", lambda *given, **options: drawn.append(plot(*given, **options)) or drawn[-1])
    for record, labels in (([], ["neuron", "membrane"]), (["--record", "u"], ["neuron", "membrane"])):
        assert main([*CONSTANT, *record, "--picture", str(picture), "--out", str(tmp_path / "lif.npz")]) == 0
        assert picture.read_bytes().startswith(b"\x89PNG")
        assert [axes.get_ylabel() for axes in drawn[-1].axes] == labels
        assert list(drawn[-1].axes[1].lines[-1].get_ydata()) == [10.0, 10.0]
        with np.load(tmp_path / "lif.npz") as found:
            assert found.files == ["output", *record[1:], "state_v"]  # what was asked for


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["simulate", "lfi", "--constant", "1"], "did you mean"),
        (["simulate", "norse.Leaky", "--constant", "1"], "no neuron of norse"),
        (["simulate", "lif"], "--constant X --steps T"),
        (["simulate", "lif", "--constant", "1"], "--constant 1: say for how long as well: --steps"),
        (["simulate", "lif", "--constant", "1", "--steps", "99999999999999"], "more than memory can hold"),
        (["simulate", "snntorch.Synaptic", "--set", "beta=0.9", "--constant", "1", "--steps", "3"], "alpha must be given: --set alpha=..."),
        (
            ["simulate", "sinabs.MembraneReset", "--constant", "1", "--steps", "3"],
            "'MembraneReset' is no neuron of sinabs; there are ALIF, IAF",
        ),
        (["simulate", "norse.Izhikevich", "--constant", "1", "--steps", "3"], "a, b, c, d must be given"),
        (["simulate", "lif", "absent.npy"], "absent.npy"),
        (["simulate", "lif", "x.txt"], ".npy, .npz or .csv"),
        (["simulate", "lif", "--set", "tau_mem", "--constant", "1", "--steps", "3"], "NAME=VALUE"),
        (["simulate", "lif", "--set", "tau=3", "--constant", "1", "--steps", "3"], "tau"),
        (["simulate", "lif", "--set", "tau_mem=-3", "--constant", "1", "--steps", "3"], "tau_mem"),
        (["simulate", "lif:bursting", "--constant", "1"], "izhikevich and adex"),
        (["check", "absent.npz"], "absent.npz: No such file"),
        (["simulate", "li", "empty.csv"], "empty.csv: an array of shape (0,)"),
        (["simulate", "lif", "words.csv"], "with commas between them"),
        (["simulate", "lif", "one.npy"], "one.npy: an array of shape ()"),
        ([*CONSTANT, "--out", "x.npy"], "--out x.npy: must end in .npz"),
        ([*CONSTANT, "--out", "absent/x.npz"], "--out absent/x.npz: there is no folder absent"),
        ([*CONSTANT, "--picture", "x.foo"], "--picture x.foo: must end in ."),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_status_1(
    arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty.csv").write_text("")
    Path("words.csv").write_text("a,b\nc,d\n")
    np.save("one.npy", np.float64(3))
    assert main(arguments) == 1
    out, said = capsys.readouterr()
    assert out == ""  # before any work
    assert said.startswith("rsnn: ")
    assert words in said


def test_a_damaged_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.npz").write_bytes(b"PK\x03\x04 no archive")
    assert main(["simulate", "lif", str(tmp_path / "x.npz")]) == 1
    assert "x.npz" in capsys.readouterr().err


def test_check_ends_with_0_where_a_network_fits_and_with_1_where_it_does_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fits, large = tmp_path / "fits.npz", tmp_path / "large.npz"
    rsnn.Network([rsnn.Linear(np.eye(4)), rsnn.IAF()], input_shape=4).save(fits)
    rsnn.Network([rsnn.Conv2d(np.ones((1024, 2, 3, 3))), rsnn.IAF()], input_shape=(2, 32, 32)).save(large)
    assert main(["check", str(fits), "--target", "dynapcnn"]) == 0
    assert main(["check", str(large), "--target", "dynapcnn"]) == 1
    assert "does not fit" in capsys.readouterr().err


def test_check_reads_spike_counts_from_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rsnn.Network([rsnn.Linear(np.eye(4)), rsnn.IAF()], input_shape=4).save(tmp_path / "net.npz")
    (tmp_path / "x.csv").write_text("1,0,0,2\n0,0,1,0\n")
    assert main(["check", str(tmp_path / "net.npz"), "--input", str(tmp_path / "x.csv")]) == 0
    assert "float against integer (steps: 2, samples: 1)" in capsys.readouterr().out


def test_a_reader_that_goes_away_ends_a_command_without_a_word() -> None:
    command = [sys.executable, "-c", "import sys; from rsnn.cli import main; sys.exit(main(['info']))"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        running.stdout.close()
        assert running.stderr is not None
        assert running.stderr.read() == ""
    assert running.returncode == 1


def test_long_work_says_on_a_terminal_what_goes_on_and_nothing_elsewhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from rsnn.cli import bench

    monkeypatch.setattr(bench, "ROUNDS", 2)
    monkeypatch.setattr(bench, "CELLS", 64)
    rsnn.Network([rsnn.Linear(np.eye(4)), rsnn.IAF()], input_shape=4).save(tmp_path / "net.npz")
    np.save(tmp_path / "x.npy", np.ones((3, 4), int))
    check = ["check", str(tmp_path / "net.npz"), "--input", str(tmp_path / "x.npy")]
    for arguments, words in ((CONSTANT, "running ..."), (["bench"], "2 of 2"), (check, "running it in floats and in integers ...")):
        assert main(arguments) == 0
        assert capsys.readouterr().err == ""
        with monkeypatch.context() as patch:
            patch.setattr(sys.stderr, "isatty", lambda: True)
            assert main(arguments) == 0
        out, said = capsys.readouterr()
        assert words in said
        assert said.endswith("\x1b[K")  # and takes it away again
        assert "\r" not in out


def test_bench_shows_every_neuron_beside_copying(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from rsnn.cli import bench

    monkeypatch.setattr(bench, "ROUNDS", 1)
    monkeypatch.setattr(bench, "CELLS", 64)
    assert main(["bench"]) == 0
    said = capsys.readouterr().out
    assert "copy" in said
    assert all(kind.__name__ in said for kind in rsnn.neurons.NAMED.values())


@pytest.mark.parametrize("command", ["demo", "info", "simulate", "check", "bench"])
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"example: rsnn {command}" in capsys.readouterr().out
