from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.web.readable_text import html_to_text
from tests.cpu_time import relative_cpu_s

PAGE = """<!doctype html><html><head><title>A &amp;
 B</title><style>p { color: red }</style><script>if (a<b) x = "</p>"</script><body>
<!-- <p>not this</p> -->
<h1>Hi   there</h1><p>One <b>two</b> 3 < 4 &lt;5 <a href="/x?a=1&amp;b=2" title="p > q">a <i>link</i></a>.
<a href=#top>up</a> <a href="javascript:alert(1)">js</a> <a href='http://[broken'>broken</a> <a name=x>anchor</a>
<ul><li>a<li>b <a href="mailto:x@y">mail</a></ul><table><tr><td>1<td>2</table>
<svg><text>drawn</text></svg><template>later</template><textarea><p>typed</textarea>end"""


def test_text_links_and_block_structure_are_kept_and_hidden_elements_dropped() -> None:
    assert html_to_text(PAGE, "https://h.org/d/e") == (
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
        pytest.param("a &#" + "1" * 5000 + ";", "a \ufffd", id="endless number"),
        pytest.param("<title>a</title><svg><title>b</title></svg>c", "a\n\nc", id="second title"),
    ],
)
def test_malformed_pages_are_read_as_far_as_possible(page: str, text: str) -> None:
    assert html_to_text(page, "http://h/") == text


@pytest.mark.parametrize(
    "repeated",
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
        "<div>",
        "<b><p>",
        "<table><tr><td>",
        "</p>",
    ],
)
def test_a_megabyte_of_hostile_markup_takes_seconds_at_most(repeated: str) -> None:
    page = repeated * (1_000_000 // len(repeated))
    took = relative_cpu_s(lambda: html_to_text(page, "http://h/"))
    assert took < 20, "http_fetch has 25 s; in quadratic time this takes minutes"


def test_the_text_of_a_hundred_thousand_nested_elements_is_left_out() -> None:
    page = "<p>before</p>" + "<div>" * 100_000 + "deep" + "</div>" * 100_000
    assert html_to_text(page, "http://h/") == "before"
    assert html_to_text("<div>" * 500 + "deep" + "</div>" * 500, "http://h/") == "deep"


@given(
    st.lists(
        st.sampled_from(["<", ">", "/", "a", "p", "!--", "-->", '"', "'", " href=", "script", "&", "#", "\n"]),
        max_size=60,
    )
)
def test_no_markup_raises_an_error(parts: list[str]) -> None:
    assert isinstance(html_to_text("".join(parts), "http://h/"), str)
