"""What tyro says of a flag whose value is no number: what was given and what was expected, in place of Python's words.

`lgm distill digits conv --steps ten` says: 'ten' was given; a whole number was expected, such as 100.
"""

from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

_WORDS = {int: "a whole number was expected, such as 100", float: "a number was expected, such as 0.5 or 1e-3"}
NUMBERS = ConstructorRegistry()


@NUMBERS.primitive_rule
def _numbers(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec | None:
    kind = info.type
    if kind not in _WORDS:
        return None

    def read(words: list[str]) -> int | float:
        try:
            return kind(words[0])
        except ValueError:
            raise ValueError(f"{words[0]!r} was given; {_WORDS[kind]}") from None

    return PrimitiveConstructorSpec(
        nargs=1, metavar=kind.__name__.upper(), instance_from_str=read,
        is_instance=lambda value: isinstance(value, (int, kind)) and not isinstance(value, bool),
        str_from_instance=lambda value: [str(value)],
    )  # fmt: skip
