from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.web.text_encoding import decode_text, has_byte_order_mark

RUSSIAN = "привет"


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("charset", [None, "utf-8", "iso-8859-1"])
def test_a_byte_order_mark_wins_and_is_no_part_of_the_text(codec: str, charset: str | None) -> None:
    content = RUSSIAN.encode(codec)
    assert has_byte_order_mark(content)
    assert decode_text(content, charset) == RUSSIAN


@pytest.mark.parametrize("codec", ["utf-16-be", "utf-32-be"])
def test_big_endian_text_is_read_by_its_byte_order_mark(codec: str) -> None:
    assert decode_text(("\ufeff" + RUSSIAN).encode(codec), None) == RUSSIAN


def test_the_header_wins_over_the_declaration() -> None:
    page = f'<?xml version="1.0" encoding="koi8-r"?><t>{RUSSIAN}</t>'
    assert RUSSIAN in decode_text(page.encode("cp1251"), "windows-1251")


@pytest.mark.parametrize(
    "charset",
    ["windows-1251", '"windows-1251"', "'windows-1251'", " WINDOWS-1251 ", "cp1251"],
)
def test_the_charset_of_the_header_may_be_quoted_and_in_any_case(charset: str) -> None:
    assert decode_text(RUSSIAN.encode("cp1251"), charset) == RUSSIAN


@pytest.mark.parametrize(
    "declaration",
    [
        pytest.param('<?xml version="1.0" encoding="windows-1251"?>', id="double quotes"),
        pytest.param("<?xml version='1.0' encoding='windows-1251' standalone='yes'?>", id="single quotes"),
        pytest.param('\n<?xml version="1.0"\n  encoding = "Windows-1251" ?>', id="white space"),
    ],
)
def test_the_encoding_of_an_xml_declaration_is_used(declaration: str) -> None:
    assert RUSSIAN in decode_text(f"{declaration}<t>{RUSSIAN}</t>".encode("cp1251"), None)


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_xml_in_utf_16_needs_no_byte_order_mark(codec: str) -> None:
    page = f'<?xml version="1.0" encoding="utf-16"?><t>{RUSSIAN}</t>'
    assert decode_text(page.encode(codec), None) == page


@pytest.mark.parametrize(
    "meta",
    [
        '<meta charset="windows-1251">',
        "<META CHARSET='windows-1251'/>",
        "<meta charset=windows-1251>",
        '<meta charset = "windows-1251" >',
        '<meta http-equiv="Content-Type" content="text/html; charset=windows-1251">',
        "<meta content='text/html;charset=windows-1251' http-equiv=content-type>",
    ],
)
def test_the_charset_of_a_meta_element_is_used_in_html_only(meta: str) -> None:
    page = f"<html><head>{meta}</head>{RUSSIAN}".encode("cp1251")
    assert RUSSIAN in decode_text(page, None, is_html=True)
    assert RUSSIAN not in decode_text(page, None)


@pytest.mark.parametrize("declared", ["utf-16", "utf-16le", "utf-32"])
def test_a_declaration_of_utf_16_that_is_not_in_utf_16_means_utf_8(declared: str) -> None:
    page = f'<meta charset="{declared}">{RUSSIAN}'
    assert decode_text(page.encode(), None, is_html=True) == page


@pytest.mark.parametrize(
    ("charset", "content", "text"),
    [
        pytest.param("iso-8859-1", b"\x93a\x94", "\u201ca\u201d", id="curly quotes in latin 1"),
        pytest.param("us-ascii", b"caf\xe9", "café", id="ascii"),
        pytest.param("iso-8859-9", "\u201ci\u0131\u201d".encode("cp1254"), "\u201ci\u0131\u201d", id="turkish"),
        pytest.param("gb2312", "\u9555".encode("gb18030"), "\u9555", id="a character that gb2312 lacks"),
        pytest.param("shift_jis", "\u2460".encode("cp932"), "\u2460", id="a character that shift_jis lacks"),
        pytest.param("x-sjis", "日本".encode("cp932"), "日本", id="a name that Python lacks"),
        pytest.param("euc-kr", "\ub620".encode("cp949"), "\ub620", id="a character that euc-kr lacks"),
        pytest.param("utf-16", "größe".encode("utf-16-le"), "größe", id="utf-16 without a byte order mark"),
    ],
)
def test_text_is_read_as_browsers_read_it(charset: str, content: bytes, text: str) -> None:
    assert decode_text(content, charset) == text


@pytest.mark.parametrize("charset", ["nonsense", "punycode", "idna", "base64", "zip", "", '""', "\0", None])
def test_without_a_known_charset_of_text_the_declaration_or_utf_8_is_used(charset: str | None) -> None:
    assert decode_text(RUSSIAN.encode(), charset) == RUSSIAN
    page = f'<meta charset="windows-1251">{RUSSIAN}'
    assert decode_text(page.encode("cp1251"), charset, is_html=True) == page


def test_bytes_that_are_no_text_are_replaced() -> None:
    assert decode_text(b"a\xffb", None) == "a\ufffdb"


@pytest.mark.parametrize("codec", ["utf-8", "utf-16", "cp932"])
def test_half_a_character_at_the_end_of_truncated_content_is_left_out(codec: str) -> None:
    content = "日本".encode(codec)[:-1]
    assert decode_text(content, codec, is_truncated=True) == "日"
    assert decode_text(content, codec) == "日\ufffd"


@given(content=st.binary(max_size=60), charset=st.none() | st.text(max_size=12), is_html=st.booleans())
def test_any_bytes_with_any_charset_are_text(content: bytes, charset: str | None, is_html: bool) -> None:
    decode_text(content, charset, is_html=is_html).encode("utf-8")


def test_a_long_hostile_head_takes_no_time() -> None:
    for part in (b"<meta ", b"<?xml ", b'<meta charset="', b"<meta " + b" " * 200):
        decode_text(part * 10_000, None, is_html=True)
