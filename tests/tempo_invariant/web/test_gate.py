"""Who may ask, and who is refused before anything is done."""

import json

import pytest

from tempo_invariant.web.gate import Door, is_loopback
from tests.web_server import serving


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("page")) as client:
        yield client


@pytest.mark.parametrize(
    ("host", "alone", "with_token"),
    [
        ("127.0.0.1:8421", True, True),
        ("localhost:8421", True, True),
        ("LOCALHOST:8421", True, True),
        ("[::1]:8421", True, True),
        ("127.0.0.1", False, False),
        ("127.0.0.1:80", False, False),
        ("192.168.1.5:8421", False, True),
        ("piano.home:8421", False, True),
        ("evil.example:8421", False, False),
        ("127.0.0.1.evil.example:8421", False, False),
        ("localhost@evil.example:8421", False, False),
        ("evil.example@localhost:8421", False, False),
        ("localhost:8421/x", False, False),
        ("localhost:x", False, False),
        ("[", False, False),
        ("", False, False),
    ],
)
def test_a_host_is_ours_by_address_or_by_its_own_name(host, alone, with_token):
    assert Door("127.0.0.1", 8421).is_ours(host) == alone
    assert Door("piano.home", 8421, "secret").is_ours(host) == with_token


def test_only_this_machine_needs_no_token():
    for host in ("127.0.0.1", "127.8.8.8", "::1", "localhost", "LOCALHOST"):
        assert is_loopback(host)
    for host in ("0.0.0.0", "::", "192.168.1.5", "piano.home", "127.0.0.1.evil.example"):
        assert not is_loopback(host)


REFUSED = [
    {"Host": "evil.example"},
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},
    {"Sec_Fetch_Site": "cross-site"},
    {"Sec_Fetch_Site": "same-site"},
    {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Dest": "document"},
]


@pytest.mark.parametrize("headers", REFUSED)
@pytest.mark.parametrize("path", ["/api/library", "/static/index.html", "/api/scores/0/cover"])
def test_pages_of_others_get_nothing(client, headers, path):
    status, found, content = client.ask("GET", path, **headers)
    assert status == 403 and content.startswith(b'{"error":"')
    assert not any(name.startswith("access-control") for name in found)


@pytest.mark.parametrize("headers", [*REFUSED, {}])
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/api/scores?name=a.pdf"), ("DELETE", "/api/scores/0")]
)
def test_only_our_page_changes_anything(client, method, path, headers):
    status, _, _ = client.ask(method, path, b"%PDF", **headers)
    assert status == 403
    assert client.jobs() == [] and not client.desk.librarian.folder.exists()


def test_our_page_and_links_to_it_are_let_in(client):
    assert client.ask("GET", "/", Sec_Fetch_Site="cross-site", Sec_Fetch_Dest="document")[0] == 200
    assert (
        client.ask("GET", "/api/jobs", Sec_Fetch_Site="same-origin", Origin=client.origin)[0] == 200
    )
    assert client.ask("OPTIONS", "/api/scores", Origin=client.origin)[0] == 405


def test_every_answer_says_what_may_be_done_with_it(client):
    for path in ("/", "/api/library", "/static/index.html", "/nowhere"):
        _, headers, _ = client.ask("GET", path)
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["referrer-policy"] == "no-referrer" and "server" not in headers


@pytest.mark.parametrize(
    "path",
    ["/static/", "/static/../web/app.py", "/static/%2e%2e/site.py", "/static//etc/passwd", "/..",
     "/answers/../site.py", "/answers/x/..%2f..%2fsite.py", "/api/scores/..%2f/cover",
     "/static/%00", "/api/scores/0/pages/99999999999999999999"],
)  # fmt: skip
def test_no_path_leads_out(client, path):
    status, _, content = client.ask("GET", path)
    assert status in (400, 404, 405) and content.startswith(b'{"error":"')


PERSON = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.mark.parametrize(
    ("path", "status", "what", "more"),
    [
        ("/answers/gone/", 404, "This answer is gone", "so drop the recording again."),
        ("/nowhere", 404, "No such page", 'href="/"'),
        ("/api/scores/0", 404, "No such score", "The library has changed."),
        ("/api/recordings", 405, "Method Not Allowed", 'href="/"'),
    ],
)
def test_a_person_gets_a_page_with_a_way_back_and_a_program_json(client, path, status, what, more):
    found, headers, content = client.ask("GET", path, **PERSON)
    assert found == status and headers["content-type"].startswith("text/html")
    page = content.decode()
    assert f"<h1>{what}" in page and more in page and '<a href="/">' in page
    assert "default-src 'none'" in headers["content-security-policy"]
    found, headers, content = client.ask("GET", path, Accept="*/*")
    assert found == status and what.lower() in json.loads(content)["error"].lower()


def test_what_is_asked_for_is_no_part_of_a_page(client):
    _, _, content = client.ask("POST", "/api/scores?name=%3Cb%3E.exe", b"x", Origin=client.origin)
    assert b"<b>.exe" in content
    headers = {"Origin": client.origin, **PERSON}
    _, _, content = client.ask("POST", "/api/scores?name=%3Cb%3E.exe", b"x", **headers)
    assert b"&lt;b&gt;.exe" in content and b"<b>" not in content


def test_other_machines_need_the_token_once(tmp_path):
    with serving(tmp_path, token="secret") as client:
        page = client.ask("GET", "/", **PERSON)[2].decode()
        assert "The address lacks its token" in page and "Open the address as it is printed" in page
        assert "href" not in page and "secret" not in page
        for path in ("/", "/api/library", "/?token=wrong", "/?token=", "/static/index.html"):
            assert client.ask("GET", path)[0] == 403
        assert client.ask("GET", "/", Cookie="other=secret; =;;\x00x")[0] in (400, 403)
        status, headers, _ = client.ask("GET", "/?token=secret")
        assert status == 200
        cookie, *how = headers["set-cookie"].split("; ")
        assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(how)
        assert client.ask("GET", "/api/library", Cookie=cookie)[0] == 200
        assert client.ask("GET", "/api/library", Cookie=cookie + "x")[0] == 403
        assert client.ask("GET", "/", Cookie=cookie)[1]["set-cookie"] is None
