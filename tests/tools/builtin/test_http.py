"""fetch_url against a real server: what it gives, and where it does not go."""

import gzip
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from treadle.core.errors import ToolError
from treadle.tools import Tool
from treadle.tools.builtin import http
from treadle.tools.builtin.host_policy import host_policy

PAGE = """<html><head><title>The  page</title><style>p {}</style></head>
<body><script>var x = 1;</script><p>Hello &amp; welcome.</p><p>Second</p></body></html>"""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        name = self.path.partition("?")[0].strip("/").replace("-", "_")
        getattr(self, f"give_{name}", self.give_missing)()

    def give(self, body: bytes, kind: str = "text/plain", **headers: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        for header, value in headers.items():
            self.send_header(header.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def redirect(self, target: str) -> None:
        self.send_response(302)
        self.send_header("Location", target)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def give_page(self) -> None:
        self.give(PAGE.encode(), "text/html; charset=utf-8")

    def give_latin(self) -> None:
        self.give("größer".encode("latin-1"), "text/plain; charset=latin-1")

    def give_marked(self) -> None:
        self.give("größer".encode("utf-8-sig"), "text/csv")

    def give_declared(self) -> None:
        self.give('<meta charset="latin-1"><p>größer'.encode("latin-1"), "text/html")

    def give_old_declared(self) -> None:
        meta = '<meta http-equiv="Content-Type" content="text/html; charset=windows-1252">'
        self.give(f"{meta}<p>größer".encode("cp1252"), "text/html")

    def give_xml(self) -> None:
        page = '<?xml version="1.0" encoding="iso-8859-1"?><a>größer</a>'
        self.give(page.encode("latin-1"), "application/xml")

    def give_host(self) -> None:
        self.give(self.headers["Host"].encode())

    def give_picture(self) -> None:
        self.give(b"\x89PNG", "image/png")

    def give_hop(self) -> None:
        self.redirect("/page")

    def give_loop(self) -> None:
        self.redirect("/loop")

    def give_away(self) -> None:
        self.redirect("http://example.com/")

    def give_inside(self) -> None:
        self.redirect("http://169.254.169.254/latest/meta-data")

    def give_file(self) -> None:
        self.redirect("file:///etc/passwd")

    def give_bomb(self) -> None:
        body = gzip.compress(b"0" * 50_000_000)
        self.give(body, Content_Encoding="gzip")

    def give_nested(self) -> None:
        body = gzip.compress(gzip.compress(b"0" * 50_000_000))
        self.give(body, Content_Encoding="gzip, gzip")

    def give_nowhere(self) -> None:
        self.redirect("http://[bad/")

    def give_punycode(self) -> None:
        self.give(b"a" * 300_000, "text/plain; charset=punycode")

    def give_tags(self) -> None:
        self.give(b"<p>x</p>" + b"<a " * 1_000_000, "text/html")

    def give_unnamed(self) -> None:
        self.give(b"a\x00b", "text/plain")

    def give_slow(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        try:
            while True:
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(0.05)
        except OSError:
            return

    def give_broken(self) -> None:
        self.send_error(503)

    def give_missing(self) -> None:
        self.send_error(404)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.daemon_threads = True
        running.block_on_close = False
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{running.server_address[1]}"
        running.shutdown()


def fetcher(*allowed: str, **names: str) -> Tool:
    async def resolve(host: str, port: int) -> list[str]:
        return [names[host.replace(".", "_")]]

    return http.http_tools(allowed, resolve if names else None)[0]


async def refusal(tool: Tool, url: str) -> ToolError:
    with pytest.raises(ToolError) as caught:
        await tool.call({"url": url})
    return caught.value


async def test_a_page_becomes_text(server: str) -> None:
    page = await fetcher("127.0.0.1").call({"url": f"http://{server}/page#part"})
    assert isinstance(page, dict)
    assert page["title"] == "The page"
    assert page["text"] == "Hello & welcome.\nSecond"
    assert (page["words"], page["status"], page["bytes"]) == (4, 200, len(PAGE))


async def test_the_charset_is_honoured(server: str) -> None:
    page = await fetcher(server).call({"url": f"http://{server}/latin"})
    assert isinstance(page, dict)
    assert page["text"] == "größer"


@pytest.mark.parametrize("path", ["marked", "declared", "old_declared", "xml"])
async def test_pages_that_name_their_own_charset(server: str, path: str) -> None:
    page = await fetcher(server).call({"url": f"http://{server}/{path}"})
    assert isinstance(page, dict)
    text = page["text"]
    assert isinstance(text, str)
    assert text.startswith(("größer", "<?xml"))
    assert "größer" in text


async def test_an_allowed_redirect_is_followed(server: str) -> None:
    page = await fetcher("127.0.0.1").call({"url": f"http://{server}/hop"})
    assert isinstance(page, dict)
    assert page["url"] == f"http://{server}/page"


async def test_the_checked_address_is_the_one_that_is_used(server: str) -> None:
    """The name exists only for our resolver: were it resolved again, the request would fail."""
    port = server.rpartition(":")[2]
    tool = fetcher("localhost", localhost="127.0.0.1")
    page = await tool.call({"url": f"http://localhost:{port}/host"})
    assert isinstance(page, dict)
    assert page["text"] == f"localhost:{port}"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("loop", "too_many_redirects"),
        ("away", "host_not_allowed"),
        ("inside", "host_not_allowed"),
        ("file", "bad_url"),
        ("picture", "not_text"),
        ("bomb", "response_too_large"),
        ("nested", "not_text"),
        ("unnamed", "not_text"),
        ("nowhere", "bad_url"),
        ("missing", "http_status"),
        ("broken", "http_status"),
    ],
)
async def test_refused_replies(server: str, path: str, code: str) -> None:
    error = await refusal(fetcher("127.0.0.1"), f"http://{server}/{path}")
    assert error.code == code
    assert error.retryable == (path == "broken")


async def test_nothing_is_allowed_by_default(server: str) -> None:
    error = await refusal(fetcher(), f"http://{server}/page")
    assert error.code == "host_not_allowed"
    assert "--allow-host" in error.message


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.5", "169.254.169.254", "::1",
                                     "192.0.0.192", "168.63.129.16", "fec0::1",
                                     "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "0.0.0.0", "192.168.1.1", "224.0.0.1"])  # fmt: skip
async def test_an_allowed_name_must_not_lead_inside(address: str) -> None:
    tool = fetcher("intranet.example", intranet_example=address)
    error = await refusal(tool, "http://intranet.example/")
    assert error.code == "address_not_allowed"


@pytest.mark.parametrize(
    "url",
    [
        "http://2130706433/",
        "http://0x7f000001/",
        "http://127.1/",
        "http://[::1]/",
        "http://017700000001/",
        "http://[::ffff:127.0.0.1]/",
    ],
)
async def test_odd_spellings_of_loopback_are_not_allowed(url: str) -> None:
    error = await refusal(fetcher("example.com"), url)
    assert error.code in ("host_not_allowed", "bad_url")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://example.com/",
        "http://",
        "http://user:pw@example.com/",
        "javascript:1",
        "http://exa mple.com/",
        "http://example.com:99999/",
    ],
)
async def test_bad_urls(url: str) -> None:
    assert (await refusal(fetcher("example.com"), url)).code == "bad_url"


async def test_a_reply_that_never_ends(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "TOTAL_SECONDS", 0.5)
    error = await refusal(fetcher("127.0.0.1"), f"http://{server}/slow")
    assert error.code == "http_timeout"


async def test_nobody_there() -> None:
    error = await refusal(fetcher("127.0.0.1"), "http://127.0.0.1:1/")
    assert error.code == "http_unreachable"


@pytest.mark.parametrize("rule", ["", "*", "http://example.com", "a/b", "user@example.com"])
def test_rules_that_are_no_hosts(rule: str) -> None:
    with pytest.raises(ToolError) as caught:
        host_policy([rule])
    assert caught.value.code == "bad_allowed_host"


async def test_wildcards_and_ports() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["93.184.216.34"]

    policy = host_policy(["*.example.com", "one.test:8080"], resolve)
    assert await policy.addresses_of("docs.Example.com", 443)
    assert await policy.addresses_of("one.test", 8080)
    for host, port in (("example.com", 443), ("notexample.com", 443), ("one.test", 80)):
        with pytest.raises(ToolError):
            await policy.addresses_of(host, port)


async def test_a_wildcard_allows_no_address() -> None:
    with pytest.raises(ToolError) as caught:
        await host_policy(["*.0.0.1"]).addresses_of("127.0.0.1", 80)
    assert caught.value.code == "host_not_allowed"


@pytest.mark.parametrize("rule", ["straße.example", "xn--strae-oqa.example", "*.example"])
async def test_a_name_is_looked_up_as_it_is_certified(rule: str) -> None:
    """The system's own rules make another name of it: strasse.example."""
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["93.184.216.34"]

    await host_policy([rule], resolve).addresses_of("straße.example", 443)
    assert asked == ["xn--strae-oqa.example"]


async def test_the_next_address_is_tried(server: str) -> None:
    """`localhost` is often ::1 first, and the server on 127.0.0.1 only."""

    async def resolve(host: str, port: int) -> list[str]:
        return ["::1", "10.0.0.1", "127.0.0.1"]

    tool = http.http_tools(["localhost"], resolve)[0]
    page = await tool.call({"url": f"http://localhost:{server.rpartition(':')[2]}/page"})
    assert isinstance(page, dict)
    assert page["status"] == 200


@pytest.mark.parametrize("path", ["punycode", "tags"])
async def test_hostile_bodies_take_bounded_time(server: str, path: str) -> None:
    page = await fetcher(server).call({"url": f"http://{server}/{path}"})
    assert isinstance(page, dict)
    assert page["words"] == 1
