"""The closed set of `format:` names: what a whole string must be. Linear in its length, offline, the same every day.

Names are those of JSON Schema (draft-07 section 7.3) where it has one. The code lists are ISO 3166-1 alpha-2 and the
alphabetic codes of ISO 4217, upper case as there; they change less often than a release.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from ipaddress import IPv4Address, IPv6Address
from typing import Final, Literal, NamedTuple, TypeAlias

from .patterns import matcher

FormatName: TypeAlias = Literal[
    "date", "email", "hostname", "ipv4", "ipv6", "iso-country", "iso-currency", "ulid", "uri", "uuid"
]


class Format(NamedTuple):
    """One format: what a string must be, in words, and whether one is; `example` is one."""

    sentence: str
    holds: Callable[[str], bool]
    example: str


# ISO 3166-1: the officially assigned codes.
COUNTRIES: Final = frozenset(
    """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
    CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR
    GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO
    JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR
    MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO
    RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV
    TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
    """.split()  # noqa: SIM905 - a list of 249 quoted words is no better to read
)

# ISO 4217: active codes, and those that left the list since 2023 (books and feature stores still hold them).
CURRENCIES: Final = frozenset(
    """
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE
    CHF CHW CLF CLP CNY COP COU CRC CUC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ
    GYD HKD HNL HRK HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL
    LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN
    PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SLL SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD
    TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAD XAF XAG XAU XBA XBB XBC XBD XCD XCG XDR XOF XPD XPF
    XPT XSU XTS XUA XXX YER ZAR ZMW ZWG ZWL
    """.split()  # noqa: SIM905
)

_LABEL: Final = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"  # RFC 1123 section 2.1
_HOST: Final = rf"{_LABEL}(?:\.{_LABEL})*"
# What an HTML form takes (html.spec.whatwg.org, "valid email address"): RFC 5322 without quotes, comments and folding.
_EMAIL: Final = rf"[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]+@{_HOST}"
# RFC 3986, appendix A, absolute: a scheme first; brackets around an IP literal only.
_CHARACTER: Final = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})"
_REGISTERED: Final = r"(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*"
_AUTHORITY: Final = rf"(?:{_CHARACTER}*@)?(?:\[[0-9A-Fa-f:.]+\]|{_REGISTERED})(?::[0-9]*)?"
_URI: Final = (
    rf"[A-Za-z][A-Za-z0-9+.-]*:(?://{_AUTHORITY}(?:/{_CHARACTER}*)*|/?(?:{_CHARACTER}+(?:/{_CHARACTER}*)*)?)"
    rf"(?:\?(?:{_CHARACTER}|[/?])*)?(?:#(?:{_CHARACTER}|[/?])*)?"
)
_UUID: Final = "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"  # RFC 9562 section 4, any version
_ULID: Final = "[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}"  # 128 bits in Crockford's base 32: the first digit is < 8
_DATE: Final = "[0-9]{4}-[0-9]{2}-[0-9]{2}"  # RFC 3339 section 5.6, full-date

_MAX_HOST: Final = 253
_MAX_LOCAL: Final = 64  # RFC 5321 section 4.5.3.1.1

_is_email_text: Final = matcher(_EMAIL)
_is_host_text: Final = matcher(_HOST)
_is_date_text: Final = matcher(_DATE)


def _is_hostname(text: str) -> bool:
    return len(text) <= _MAX_HOST and _is_host_text(text)


def _is_email(text: str) -> bool:
    local, at, host = text.rpartition("@")
    return bool(at) and len(local) <= _MAX_LOCAL and len(host) <= _MAX_HOST and _is_email_text(text)


def _is_date(text: str) -> bool:
    if not _is_date_text(text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is_ipv4(text: str) -> bool:
    try:
        IPv4Address(text)
    except ValueError:
        return False
    return text.isascii()


def _is_ipv6(text: str) -> bool:
    if len(text) > 45 or "%" in text:  # a zone (RFC 4007) names an interface of one machine
        return False
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return text.isascii()


FORMATS: Final[dict[str, Format]] = {
    "date": Format("a day like 2027-03-01", _is_date, "2027-03-01"),
    "email": Format("an e-mail address", _is_email, "ada@example.org"),
    "hostname": Format("a host name", _is_hostname, "api.example.org"),
    "ipv4": Format("an IPv4 address", _is_ipv4, "192.0.2.7"),
    "ipv6": Format("an IPv6 address", _is_ipv6, "2001:db8::7"),
    "iso-country": Format("a country code like DE (ISO 3166-1 alpha-2)", COUNTRIES.__contains__, "DE"),
    "iso-currency": Format("a currency code like EUR (ISO 4217)", CURRENCIES.__contains__, "EUR"),
    "ulid": Format("a ULID", matcher(_ULID), "01ARZ3NDEKTSV4RRFFQ69G5FAV"),
    "uri": Format("a URI with a scheme", matcher(_URI), "https://example.org/a?b=c"),
    "uuid": Format("a UUID", matcher(_UUID), "019b7c00-3d2a-7c11-9f00-1a2b3c4d5e6f"),
}
