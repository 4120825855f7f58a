"""How an image build comes by the pip settings of the machine it runs on."""

import subprocess

import pytest


@pytest.fixture(scope="session")
def pip_settings(load):
    return load("pip_settings")


@pytest.fixture
def listing(monkeypatch):
    """Have `pip config list` print the text given."""

    def answer(text):
        done = subprocess.CompletedProcess([], 0, stdout=text, stderr="")
        monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)

    return answer


def as_dict(settings):
    return {section: dict(settings.items(section)) for section in settings.sections()}


def test_settings_keep_their_sections(pip_settings):
    settings = pip_settings.parse("global.timeout='60'\ninstall.no-binary='a\\nb'\n")
    assert as_dict(settings) == {"global": {"timeout": "60"}, "install": {"no-binary": "a\nb"}}


def test_the_environment_wins_over_every_section(pip_settings):
    settings = pip_settings.parse(":env:.timeout='9'\nglobal.timeout='60'\ninstall.timeout='70'\n")
    assert as_dict(settings) == {"global": {"timeout": "9"}, "install": {}}


def test_what_settings_name_on_this_machine_is_mounted_and_nothing_else(pip_settings, tmp_path):
    for name in ("wheels", "index"):
        (tmp_path / name / "simple").mkdir(parents=True)
    settings = pip_settings.parse(
        f"global.find-links='{tmp_path}/wheels {tmp_path}/absent'\n"
        f"global.index-url='file://{tmp_path}/index/simple'\n"
        "global.extra-index-url='ftp://localhost/simple'\nglobal.timeout='60'\n"
    )
    assert pip_settings.local_places(settings) == [tmp_path / "index", tmp_path / "wheels"]


def test_the_options_give_the_build_one_secret_and_read_only_mounts(pip_settings, listing, tmp_path, capsys):
    listing(f"global.cert='{tmp_path}'\n")
    secret = tmp_path / "pip.conf"
    pip_settings.main([str(secret)])
    assert capsys.readouterr().out.splitlines() == [
        f"--secret=id=pip.conf,src={secret}",
        f"--volume={tmp_path}:{tmp_path}:ro",
    ]
    assert secret.read_text() == f"[global]\ncert = {tmp_path}\n\n"
    assert secret.stat().st_mode & 0o777 == 0o600


def test_without_settings_there_is_no_option_and_no_file(pip_settings, listing, tmp_path, capsys):
    listing("")
    pip_settings.main([str(tmp_path / "pip.conf")])
    assert capsys.readouterr().out == ""
    assert list(tmp_path.iterdir()) == []
