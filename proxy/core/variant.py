"""Variants: the tag of a content that a backend has coded although identity was asked for.

Two parts: the state is a digest of the content with the coding taken off, so that a write based on one coding passes under another; the
variant names the coding and a digest of the coded octets, so that no strong tag stands on two bodies (a second gzip of the same content
may come out different). Where the coding cannot be taken off here, the tag is a digest of the coded octets alone: then a tag that was
given out under another coding is stale, which costs its client a read.
"""

import zlib

from .etag import EntityTag
from .resource import ResourceKey
from .version import ContentDigest

_PIECE_BYTES = 65536
_VARIANT_CHARS = 8
# What stands in AnswerFields.coding; x-gzip is gzip (RFC 9110 §8.4.1.3). `deflate` is the zlib format, to the letter (§8.4.1.2).
WINDOW_BITS = {b"gzip,": 31, b"x-gzip,": 31, b"deflate,": 15}


class VariantDigest:
    """Digest a coded content. `coding` is the Content-Encoding, `max_bytes` how long the content may be without it."""

    __slots__ = ("_coded", "_coding", "_decoder", "_left", "_state")
    is_of_octets = True

    def __init__(self, salt: bytes, key: ResourceKey, coding: bytes, max_bytes: int) -> None:
        self._coded = ContentDigest(salt, key, coding)
        self._state = ContentDigest(salt, key)
        self._coding = coding
        self._left = max_bytes
        bits = WINDOW_BITS.get(coding)
        self._decoder = None if bits is None else zlib.decompressobj(bits)

    def add(self, piece: bytes) -> None:
        """Take in the next piece of the coded content."""
        self._coded.add(piece)
        if self._decoder is not None:
            try:
                self._decode(self._decoder, piece)
            except zlib.error:
                self._decoder = None

    def tag(self) -> EntityTag:
        """The strong tag of all that was added."""
        coded = self._coded.tag()
        if self._decoder is None or not self._decoder.eof:
            return coded
        name = b"deflate" if self._coding == b"deflate," else b"gzip"
        return EntityTag(b"%b.%b.%b" % (self._state.tag().opaque, name, coded.opaque[:_VARIANT_CHARS]))

    def _decode(self, decoder: "zlib._Decompress", rest: bytes) -> None:
        while rest:
            if decoder.eof:
                # Another gzip member, or something that is none: of either we do not say what it decodes to.
                self._decoder = None
                return
            content = decoder.decompress(rest, _PIECE_BYTES)
            rest = decoder.unconsumed_tail or decoder.unused_data
            self._state.add(content)
            self._left -= len(content)
            if self._left < 0:
                self._decoder = None
                return
