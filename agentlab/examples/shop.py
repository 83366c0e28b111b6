"""A small shop, in memory: orders, refunds, addresses and a knowledge base, as the support agent's tools."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NotRequired

from typing_extensions import TypedDict

from agentlab.errors import ToolRefusedError
from agentlab.tools import Tool, tool

__all__ = ["ARTICLES", "Articles", "Done", "Order", "Shop"]

SECONDS: Final = 5.0
"""A tool of the shop that needs longer is broken."""
CENT: Final = 0.01

ARTICLES: Final = {
    "returns": "Returns are free for 30 days after delivery. Print the label from your order page and take the parcel to any post office.",
    "shipping": "Standard shipping takes 3 to 5 working days and is free from 40 euros; express takes 1 working day and costs 9 euros.",
    "opening hours": "The shop is open Monday to Friday from 9:00 to 18:00 and Saturday from 10:00 to 16:00.",
    "warranty": "Every product has a warranty of 24 months from the day of delivery.",
    "payment": "You can pay by card, by bank transfer or by invoice; we charge your card when the parcel leaves our warehouse.",
}


class Order(TypedDict):
    """An order as the shop shows it; amounts are euros."""

    id: str
    status: str
    total: float
    address: str
    refunded: NotRequired[float]


class Done(TypedDict):
    """A change that was made."""

    ok: bool


class Articles(TypedDict):
    """What the knowledge base has on a question, best first."""

    articles: list[str]


def _orders() -> dict[str, Order]:
    return {
        "5512": Order(id="5512", status="delivered", total=49.90, address="12 Elm Street"),
        "7731": Order(id="7731", status="shipped", total=120.00, address="4 Harbour Road"),
        "8804": Order(id="8804", status="processing", total=18.50, address="90 Mill Lane"),
    }


@dataclass
class Shop:
    """The shop's state. Every write takes an idempotency key, and does nothing twice under one key."""

    orders: dict[str, Order] = field(default_factory=_orders)
    _done: dict[str, Done] = field(default_factory=dict)

    @tool(timeout=SECONDS)
    async def lookup_order(self, id: str) -> Order:  # noqa: A002  # the model sees the parameter's name
        """Look up an order by its number: status, total in euros, delivery address, what was refunded."""
        return self._order(id)

    @tool(effect="write", timeout=SECONDS)
    async def refund(self, order: str, amount: float, idempotency_key: str) -> Done:
        """Refund an amount in euros of an order to the customer's payment method."""
        if idempotency_key not in self._done:
            found = self._order(order)
            before = found.get("refunded", 0.0)
            if not 0 < amount <= found["total"] - before + CENT / 2:
                raise ToolRefusedError(f"Order {order} allows a refund of at most {found['total'] - before:.2f} euros.")
            found["refunded"] = before + amount
            self._done[idempotency_key] = Done(ok=True)
        return self._done[idempotency_key]

    @tool(effect="write", timeout=SECONDS)
    async def update_address(self, order: str, address: str, idempotency_key: str) -> Done:
        """Change the delivery address of an order that was not shipped yet."""
        if idempotency_key not in self._done:
            found = self._order(order)
            if found["status"] in {"shipped", "delivered"}:
                raise ToolRefusedError(f"Order {order} is {found['status']} already; its address cannot be changed.")
            found["address"] = address
            self._done[idempotency_key] = Done(ok=True)
        return self._done[idempotency_key]

    @tool(timeout=SECONDS, cacheable=True)
    async def search_kb(self, query: str) -> Articles:
        """Search the public knowledge base: returns, shipping, opening hours, warranty, payment."""
        words = {word.strip(".,?!").casefold() for word in query.split()}
        ranked = sorted(ARTICLES.items(), key=lambda item: -len(words & set(f"{item[0]} {item[1]}".casefold().split())))
        return Articles(articles=[text for title, text in ranked if words & set(f"{title} {text}".casefold().split())][:3])

    @property
    def tools(self) -> list[Tool]:
        """The shop's tools, in the order in which a model sees them."""
        return [self.lookup_order, self.refund, self.update_address, self.search_kb]

    def _order(self, number: str) -> Order:
        if number not in self.orders:
            raise ToolRefusedError(f"There is no order {number}.")
        return self.orders[number]
