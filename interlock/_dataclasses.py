"""Dataclasses that cost next to nothing until they are used.

`dataclasses.dataclass` writes each method of a class as text, and compiles it where the class is
defined: for the classes of this library that was half of the time of their import, and the module
itself brings `inspect`. Here `__init__` is compiled when a class first makes an instance, and the
other methods need no compiling. `dataclasses.fields`, `replace`, `asdict` and `is_dataclass`,
`copy.replace`, `match` and pickles find what they find in any dataclass with slots; what they ask
for is made when they first do.
"""

from collections.abc import Callable, Iterator
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any, TypeVar, cast

__all__ = ["dataclass", "field", "names_of", "replace"]

T = TypeVar("T")


class _Nothing:
    """The value of a parameter that was not given."""

    def __repr__(self) -> str:
        return "<factory>"  # as in signatures of any dataclass


_NOTHING = _Nothing()


class _Field:
    """A field as it was defined."""

    def __init__(self, **told: Any) -> None:
        self.told = told
        self.shown = told.get("repr", True)
        self.settable = told.get("init", True)
        self.default = told.get("default", _NOTHING)
        self.factory: Callable[[], Any] | None = told.get("default_factory")


class _Description:
    """The fields of a class; as its attribute, what the module `dataclasses` knows of them."""

    def __init__(self, own: "dict[str, _Field]", types: dict[str, Any], **options: bool) -> None:
        self.fields = own
        self.types = types
        self.options = options
        self._shadow: Any = None

    @property
    def shadow(self) -> Any:
        """A dataclass of the same fields, made by the module `dataclasses`."""
        if self._shadow is None:
            import dataclasses  # noqa: PLC0415 - what is spared here

            fields = [
                (name, self.types[name], dataclasses.field(**field.told))
                for name, field in self.fields.items()
            ]
            make: Any = dataclasses.make_dataclass
            self._shadow = make("Shadow", fields, slots=True, **self.options)
        return self._shadow

    def __get__(self, instance: object, owner: type) -> Any:
        return self.shadow.__dataclass_fields__


class _Parameters:
    """The attribute `__dataclass_params__` of a class."""

    def __init__(self, description: _Description) -> None:
        self._description = description

    def __get__(self, instance: object, owner: type) -> Any:
        return self._description.shadow.__dataclass_params__


class _Init:
    """The attribute `__init__` of a class until it is first asked for."""

    def __init__(self, description: _Description) -> None:
        self._description = description

    def __set_name__(self, owner: type, name: str) -> None:
        self._owner = owner

    def __get__(self, instance: object, owner: type) -> Any:
        made = _init(self._owner, self._description)
        self._owner.__init__ = made  # type: ignore[misc]  # another instance's is the same
        return made if instance is None else made.__get__(instance, owner)


def _init(owner: type, description: _Description) -> Callable[..., None]:
    """Compile the `__init__` of a class."""
    parameters, lines = [], []
    known: dict[str, Any] = {"_nothing": _NOTHING}
    for name, field in description.fields.items():
        value = name
        if field.factory is not None:
            known[f"_made_{name}"] = field.factory
            value = f"_made_{name}() if {name} is _nothing else {name}"
        known[f"_default_{name}"] = field.default
        if not field.settable:
            value = f"_default_{name}"
        elif field.factory is not None or field.default is not _NOTHING:
            parameters.append(f"{name}=_default_{name}")
        else:
            parameters.append(name)
        if description.options["frozen"]:  # by the slot itself, which `__setattr__` does not guard
            known[f"_set_{name}"] = getattr(owner, name).__set__
            lines.append(f"_set_{name}(self, {value})")
        else:
            lines.append(f"self.{name} = {value}")
    if hasattr(owner, "__post_init__"):
        lines.append("self.__post_init__()")
    star = ["*"] if description.options["kw_only"] and parameters else []
    head = f"def __init__({', '.join(['self', *star, *parameters])}):\n "
    exec(head + "\n ".join(lines or ["pass"]), known)  # noqa: S102 - names of fields
    made = cast("Any", known["__init__"])
    made.__qualname__ = f"{owner.__qualname__}.__init__"
    made.__module__ = owner.__module__
    settable = [name for name, field in description.fields.items() if field.settable]
    made.__annotations__ = {name: description.types[name] for name in settable} | {"return": None}
    return cast("Callable[..., None]", made)


def _dataclass(
    *, slots: bool, frozen: bool = False, eq: bool = True, kw_only: bool = False
) -> Callable[[type[T]], type[T]]:
    """Return the decorator; classes without slots, which need no second class, are not made."""
    if not slots:
        raise TypeError("slots=True is missing")

    def decorated(plain: type[T]) -> type[T]:
        inherited = _inherited(plain)
        own = {name: _field(plain, name) for name in plain.__annotations__}
        types = {n: t for base in inherited for n, t in base.types.items()} | plain.__annotations__
        fields = {n: f for base in inherited for n, f in base.fields.items()} | own
        description = _Description(fields, types, frozen=frozen, eq=eq, kw_only=kw_only)
        body = {
            name: value
            for name, value in plain.__dict__.items()
            if name not in own and name not in {"__dict__", "__weakref__"}
        }
        settable = tuple(name for name, field in fields.items() if field.settable)
        body |= {
            "__slots__": tuple(own),
            "__match_args__": () if kw_only else settable,
            "__dataclass_fields__": description,
            "__dataclass_params__": _Parameters(description),
            "__init__": _Init(description),
            "__replace__": _replaced,
            **{name: method for name, method in _methods(description) if name not in body},
        }
        kind: Any = type(plain)
        made = kind(plain.__name__, plain.__bases__, body)
        made.__qualname__ = plain.__qualname__
        return cast("type[T]", made)

    return decorated


def names_of(kind: type) -> tuple[str, ...]:
    """Return the names of the fields of a class that was made here."""
    return tuple(cast("_Description", kind.__dict__["__dataclass_fields__"]).fields)


def _inherited(plain: type) -> list[_Description]:
    found = (base.__dict__.get("__dataclass_fields__") for base in reversed(plain.__mro__))
    return [description for description in found if description is not None]


def _field(plain: type, name: str) -> _Field:
    default = plain.__dict__.get(name, _NOTHING)
    if isinstance(default, _Field):
        return default
    return _Field() if default is _NOTHING else _Field(default=default)


def _methods(description: _Description) -> Iterator[tuple[str, Any]]:
    """Yield what a class has if it does not define it."""
    names = tuple(description.fields)
    shown = tuple(name for name, field in description.fields.items() if field.shown)
    # Asked for one name it returns no tuple, and it cannot be asked for none.
    get = attrgetter("__class__", "__class__", *names)

    @recursive_repr()
    def __repr__(self: Any) -> str:  # noqa: N807 - it becomes the class's own
        parts = (f"{name}={getattr(self, name)!r}" for name in shown)
        return f"{self.__class__.__qualname__}({', '.join(parts)})"

    def __eq__(self: object, other: object) -> bool:  # noqa: N807 - it becomes the class's own
        if other.__class__ is not self.__class__:
            return NotImplemented
        return get(self) == get(other)

    def __hash__(self: object) -> int:  # noqa: N807 - it becomes the class's own
        return hash(get(self))

    yield "__repr__", __repr__
    if description.options["eq"]:
        yield "__eq__", __eq__
        yield "__hash__", __hash__ if description.options["frozen"] else None
    if description.options["frozen"]:
        yield from (("__getstate__", _state), ("__setstate__", _restore))
        yield from (("__setattr__", _set_if_free), ("__delattr__", _delete_if_free))


def _state(self: Any) -> list[Any]:
    return [getattr(self, name) for name in self.__dataclass_fields__]


def _restore(self: Any, state: list[Any]) -> None:
    for name, value in zip(self.__dataclass_fields__, state, strict=True):
        object.__setattr__(self, name, value)


def _set_if_free(self: object, name: str, value: object) -> None:
    _refuse(self, name, "assign to")
    object.__setattr__(self, name, value)


def _delete_if_free(self: object, name: str) -> None:
    _refuse(self, name, "delete")
    object.__delattr__(self, name)


def _refuse(instance: Any, name: str, to: str) -> None:
    """Refuse a change, but of what a class that is derived has besides."""
    if "__dataclass_fields__" in type(instance).__dict__ or name in instance.__dataclass_fields__:
        from dataclasses import FrozenInstanceError  # noqa: PLC0415 - what is spared here

        raise FrozenInstanceError(f"cannot {to} field {name!r}")


def _replaced(self: T, /, **changes: Any) -> T:
    from dataclasses import replace  # noqa: PLC0415 - what is spared here

    return cast("T", replace(cast("Any", self), **changes))


def _replace(instance: T, /, **changes: Any) -> T:
    description = type(instance).__dict__.get("__dataclass_fields__")
    if not isinstance(description, _Description):  # of a class that is derived
        return _replaced(instance, **changes)
    kept = {n: getattr(instance, n) for n, f in description.fields.items() if f.settable}
    return type(instance)(**(kept | changes))


if TYPE_CHECKING:
    from dataclasses import dataclass, field, replace
else:
    dataclass, field, replace = _dataclass, _Field, _replace
