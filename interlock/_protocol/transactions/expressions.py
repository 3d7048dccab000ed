"""Update and condition expressions, with every name and value behind a placeholder."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from interlock._protocol.transactions.items import Address, ItemSnapshot
from interlock._protocol.transactions.writes import Update
from interlock._protocol.values import Attribute, to_attribute

if TYPE_CHECKING:
    from boto3.dynamodb.conditions import ConditionBase


class Expression:
    """The placeholders that one action's expressions share.

    boto3's own builder, which renders the caller's condition, numbers its placeholders as `#n0`
    and `:v0`; ours are `#a0` and `:a0`, so that the two can meet in one action.
    """

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._values: dict[str, Attribute] = {}
        self._conditions: list[str] = []

    def name(self, attribute: str) -> str:
        """Return a placeholder for an attribute's name."""
        placeholder = f"#a{len(self._names)}"
        self._names[placeholder] = attribute
        return placeholder

    def value(self, attribute: Attribute) -> str:
        """Return a placeholder for a typed value."""
        placeholder = f":a{len(self._values)}"
        self._values[placeholder] = attribute
        return placeholder

    def require(self, condition: "ConditionBase") -> None:
        """Require what the caller requires."""
        # Who has made a condition has imported it already.
        from boto3.dynamodb.conditions import ConditionExpressionBuilder  # noqa: PLC0415 - only for boto3's own conditions

        built = ConditionExpressionBuilder().build_expression(condition)
        # The builder puts AND, OR and NOT into parentheses itself, and DynamoDB refuses two pairs.
        self._conditions.append(built.condition_expression)
        self._names |= built.attribute_name_placeholders
        for placeholder, value in built.attribute_value_placeholders.items():
            self._values[placeholder] = to_attribute(value, "condition")

    def require_unchanged(self, address: Address, snapshot: ItemSnapshot) -> None:
        """Require that the item is the one that was read, as far as versions show."""
        if snapshot.version is not None:
            version = self.name(snapshot.version_attribute)
            self._conditions.append(f"{version} = {self.value(snapshot.version)}")
            return
        key = self.name(address.key_name)
        if snapshot.item is None:
            self._conditions.append(f"attribute_not_exists({key})")
            return
        version = self.name(snapshot.version_attribute)
        self._conditions += [f"attribute_exists({key})", f"attribute_not_exists({version})"]

    def require_text(self, condition: str) -> None:
        """Demand a condition that is already spelled with this expression's placeholders."""
        self._conditions.append(condition)

    def update(self, update: Update, version_attribute: str, version: str) -> str:
        """Return the update expression that makes the changes and sets the version."""
        assign = {**update.assign, version_attribute: {"S": version}}
        clauses = [
            "SET " + ", ".join(f"{self.name(k)} = {self.value(v)}" for k, v in assign.items())
        ]
        if update.add:
            clauses.append(
                "ADD " + ", ".join(f"{self.name(k)} {self.value(v)}" for k, v in update.add.items())
            )
        if update.remove:
            clauses.append("REMOVE " + ", ".join(self.name(k) for k in sorted(update.remove)))
        return " ".join(clauses)

    def params(self) -> Mapping[str, Any]:
        """Return the parameters that every kind of action takes."""
        params: dict[str, Any] = {}
        if self._conditions:
            params["ConditionExpression"] = " AND ".join(self._conditions)
            params["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        if self._names:
            params["ExpressionAttributeNames"] = self._names
        if self._values:
            params["ExpressionAttributeValues"] = self._values
        return params
