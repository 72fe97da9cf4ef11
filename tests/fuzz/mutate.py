"""A small mutator for where no coverage-guided one is installed: seeds, bent at random, by a seeded generator."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

LONGEST = 4096


def mutations(seeds: Sequence[bytes], words: Sequence[bytes], random: Random) -> Iterator[bytes]:
    """Endless: the seeds themselves first, then children of seeds and of earlier children."""
    yield from seeds
    yield b""
    pool = list(seeds)
    while True:
        data = random.choice(pool)
        for _ in range(random.choice((1, 1, 2, 3, 6))):
            data = _bent(data, pool, words, random)
        data = data[:LONGEST]
        yield data
        if random.random() < 0.05:
            if len(pool) < 64:
                pool.append(data)
            else:
                pool[random.randrange(len(seeds), 64) if len(seeds) < 64 else 0] = data


def _bent(data: bytes, pool: Sequence[bytes], words: Sequence[bytes], random: Random) -> bytes:
    begin = random.randint(0, len(data))
    end = min(len(data), begin + random.choice((0, 1, 1, 2, 4, 16)))
    way = random.randrange(7)
    if way == 0:  # put a word in
        return data[:begin] + random.choice(words) + data[begin:]
    if way == 1:  # in place of something
        return data[:begin] + random.choice(words) + data[end:]
    if way == 2:  # take out
        return data[:begin] + data[end:]
    if way == 3:  # say twice
        return data[:end] + data[begin:]
    if way == 4:  # one byte
        return data[:begin] + bytes([random.randrange(256)]) + data[begin + 1 :]
    if way == 5:  # two halves of two
        other = random.choice(pool)
        return data[:begin] + other[random.randint(0, len(other)) :]
    return (
        data[: random.randint(0, len(data))]
        if random.random() < 0.2
        else data[:begin] + data[begin:end] * 3 + data[end:]
    )
