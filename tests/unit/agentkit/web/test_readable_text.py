from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.web.readable_text import readable

PAGE = """<!doctype html><html><head><title>A &amp;
 B</title><style>p { color: red }</style><script>if (a<b) x = "</p>"</script><body>
<!-- <p>not this</p> -->
<h1>Hi   there</h1><p>One <b>two</b> 3 < 4 &lt;5 <a href="/x?a=1&amp;b=2" title="p > q">a <i>link</i></a>.
<a href=#top>up</a> <a href="javascript:alert(1)">js</a> <a href='http://[broken'>broken</a> <a name=x>anchor</a>
<ul><li>a<li>b <a href="mailto:x@y">mail</a></ul><table><tr><td>1<td>2</table>
<svg><text>drawn</text></svg><template>later</template><textarea><p>typed</textarea>end"""


def test_a_page_becomes_what_a_reader_sees() -> None:
    assert readable(PAGE, "https://h.org/d/e") == (
        "A & B\n\n# Hi there\n\nOne two 3 < 4 <5 [a link](https://h.org/x?a=1&b=2).\nup js broken anchor\n\n"
        "- a\n- b mail\n\n| 1 | 2\n\nend"
    )


@pytest.mark.parametrize(
    ("page", "text"),
    [
        pytest.param("", "", id="empty"),
        pytest.param("just text", "just text", id="no tags"),
        pytest.param("a<br>b<br/>c", "a\nb\nc", id="breaks"),
        pytest.param("a <!-- never closed", "a", id="open comment"),
        pytest.param("a <b never closed", "a", id="open tag"),
        pytest.param("a<script>never closed", "a", id="open script"),
        pytest.param("<SCRIPT>x</SCRIPT>a<P>b", "a\n\nb", id="capitals"),
        pytest.param("<a href='/x'>one<a href='/y'>two", "[one](http://h/x)[two](http://h/y)", id="open links"),
        pytest.param("<a href=/x></a>a", "a", id="empty link"),
        pytest.param("&#" + "1" * 5000 + ";", "&#" + "1" * 5000 + ";", id="endless number"),
        pytest.param("<title>a</title><svg><title>b</title></svg>c", "a\n\nc", id="second title"),
    ],
)
def test_odd_pages_are_read_as_far_as_they_go(page: str, text: str) -> None:
    assert readable(page, "http://h/") == text


@pytest.mark.parametrize(
    "piece",
    [
        "<",
        "<!--",
        "<!",
        "<?",
        "</",
        "<a ",
        "<a =",
        "<a href='",
        '<a href="x',
        '<a href="x>',
        "<![",
        "&#1",
        "<p>",
        "<a href=x>",
    ],
)
@pytest.mark.timeout(20)
def test_hostile_pages_take_linear_time(piece: str) -> None:
    readable(piece * (300_000 // len(piece)), "http://h/")


@given(
    st.lists(
        st.sampled_from(["<", ">", "/", "a", "p", "!--", "-->", '"', "'", " href=", "script", "&", "#", "\n"]),
        max_size=60,
    )
)
def test_any_text_can_be_read(pieces: list[str]) -> None:
    assert isinstance(readable("".join(pieces), "http://h/"), str)
