"""A client and a server that do not agree on encryption: the error says what to type."""

import asyncio

import pytest

from serving.cli import main
from serving.client import AsyncClient, Client, Retry, tls
from serving.client.errors import UnavailableError
from serving.endpoint.connection_advice import advised

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def servers(start_module_server, good_repository, certificates, tls_options):
    """Servers by what they speak."""
    return {
        "plain": start_module_server(good_repository),
        "tls": start_module_server(good_repository, *tls_options(certificates.server)),
        "mutual": start_module_server(good_repository, *tls_options(certificates.server, certificates.ca)),
        "expired": start_module_server(good_repository, *tls_options(certificates.expired_server)),
    }


CASES = [
    ("tls", [], "wants TLS: give --tls-ca FILE"),
    ("mutual", [], "wants TLS: give --tls-ca FILE"),
    ("plain", ["ca"], "answers without TLS: leave out --tls-ca"),
    ("mutual", ["ca"], "a client's certificate: give --tls-certificate FILE and --tls-key FILE"),
    ("tls", ["other_ca"], "give as --tls-ca the authority that signed the server's certificate"),
    ("expired", ["ca"], "has expired: whoever runs the server must renew it"),
    (
        "tls",
        ["ca", "--tls-name", "elsewhere"],
        "has another name than --server: give that as --tls-name NAME",
    ),
]


def told(certificates, words):
    ca, *more = words or [None]
    return (["--tls-ca", str(getattr(certificates, ca)), *more] if ca else []), ca, more[1:]


@pytest.mark.parametrize(("server", "words", "text"), CASES)
@pytest.mark.parametrize("command", ["health", "predict"])
def test_a_command_says_what_to_type(servers, certificates, capsys, tmp_path, server, words, text, command):
    (tmp_path / "x.json").write_text("[1, 2, 3]")
    what = ["predict", "affine", "--input", str(tmp_path / "x.json")] if command == "predict" else ["health"]
    options, _, _ = told(certificates, words)
    assert main([*what, "--server", servers[server].address, *options]) == 1
    err = capsys.readouterr().err
    assert text in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(("server", "words", "text"), CASES)
def test_both_clients_say_what_to_type(servers, certificates, server, words, text):
    _, ca, name = told(certificates, words)
    options = {
        "credentials": tls(getattr(certificates, ca)) if ca else None,
        "server_name": "".join(name),
        "retry": Retry(attempts=1),
    }

    async def ask():
        async with AsyncClient(servers[server].address, **options) as client:
            await client.metadata("affine")

    with Client(servers[server].address, **options) as client:
        for call in (lambda: client.metadata("affine"), lambda: asyncio.run(ask())):
            with pytest.raises(UnavailableError) as refused:
                call()
            assert text in str(refused.value)
            assert "in Python: " in str(refused.value) or "expired" in text


def test_other_reasons_are_left_as_they_are():
    for details in ("Connection refused", "Socket closed", "the model 'm' is not ready", ""):
        assert advised(details, encrypted=False) == advised(details, encrypted=True) == details
