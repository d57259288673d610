"""Talk goes where the caller wants it, and never to stdout."""

from __future__ import annotations

import io

from yolo_edge import console
from yolo_edge.console import SilentReporter, TerminalReporter, counted, progress, reporting_to, say


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_python_callers_get_silence(capsys):
    say("hello")
    with progress("Working", 3) as advance:
        advance(3)
    assert capsys.readouterr() == ("", "")


def test_plain_lines_where_there_is_no_terminal(capsys):
    with reporting_to(TerminalReporter()):
        say("hello")
        with progress("Downloading weights", 6_255_593, "bytes") as advance:
            advance(6_255_593)
        with progress("Predicting", 2, "photos") as advance:
            advance(2)
        with progress("Predicting", 1, "photos") as advance:
            advance(1)
        with progress("Waiting"):
            pass
    out, err = capsys.readouterr()
    assert out == ""
    *told, last = err.splitlines()
    assert told == ["hello", "Downloading weights (6.3 MB) …", "Predicting (2 photos) …", "Predicting (1 photo) …"]
    assert last == "Waiting …"


def test_one_thing_is_not_many():
    assert [counted(number, "classes") for number in (0, 1, 2)] == ["0 classes", "1 class", "2 classes"]
    assert counted(1, "usable photos") == "1 usable photo"


def test_bar_on_a_terminal(monkeypatch, capsys):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with reporting_to(TerminalReporter()), progress("Downloading weights", 100, "bytes") as advance:
        advance(100)
    assert "Downloading weights" in terminal.getvalue()
    assert capsys.readouterr().out == ""


def test_the_reporter_before_comes_back(capsys):
    with reporting_to(TerminalReporter()):
        with reporting_to(SilentReporter()):
            say("unheard")
        say("heard")
    say("unheard")
    assert capsys.readouterr().err == "heard\n"
    assert isinstance(console._reporter.get(), SilentReporter)


def test_the_reporter_before_comes_back_after_a_crash(capsys):
    try:
        with reporting_to(TerminalReporter()):
            raise RuntimeError
    except RuntimeError:
        say("unheard")
    assert capsys.readouterr().err == ""
