"""Templates and credits against a small model: random sequences of calls, every cent accounted."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import anyio
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from typing_extensions import override

from createos_mcp.contract.values import Json
from createos_mcp.platform import daemon
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.errors import WrongStateError
from createos_mcp.platform.marketplace import add_credits, review
from createos_mcp.platform.paths import DataDir
from tests.platform.owners import Owner, model_runs
from tests.platform.template_drafts import ROOT, TEXT, draft

WHICH = st.integers(0, 11)
"""Picks one of what is there, whatever its number."""

AMOUNTS = st.sampled_from([0, 0.1, 12.35, 0.1])
MAX_PENDING = 10
STARTERS = 12
SENDABLE, CHANGEABLE = {"draft", "rejected"}, {"draft", "rejected", "listed"}


@dataclass(kw_only=True)
class Template:
    id: str
    author: "Trader"
    amount: float
    status: str = "draft"
    rejections: list[str] = field(default_factory=list)
    """Newest first."""


@dataclass(kw_only=True)
class Trader:
    owner: Owner
    place: Json
    """What a draft of theirs is made of."""
    cents: int = 0
    bought: list[tuple[str, float]] = field(default_factory=list)
    """Templates and what was paid, newest first."""


class Marketplace(RuleBasedStateMachine):
    config: ClassVar[PlatformConfig]
    url: ClassVar[str]
    runs: ClassVar[int] = 0
    sold_cents: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        Marketplace.runs += 1
        self.traders = [self.trader(f"{name}-{self.runs}") for name in ("one", "two")]
        self.templates: list[Template] = []

    def trader(self, name: str) -> Trader:
        owner = Owner(self.config, self.url, name)
        project = {"uniqueName": "offered", "displayName": "Offered", "type": "upload"}
        body = {**project, "source": {}, "settings": {"useBuildAI": True}}
        status, made = owner.call("POST", "/v1/projects", body)
        assert status == 201, made
        path = f"/v1/projects/{made['id']}"
        files = {"files": [{"path": "index.html", "content": "x"}]}
        _, begun = owner.call("PUT", f"{path}/deployments/files", files)
        owner.eventually(
            f"{path}/deployments/{begun['id']}", lambda _, shown: shown["status"] == "deployed"
        )
        (production,) = owner.get(f"{path}/environments")
        return Trader(owner=owner, place=draft(made["id"], production["id"]))

    @override
    def teardown(self) -> None:
        for template in self.templates:
            template.author.owner.call("DELETE", f"{ROOT}/{template.id}")
        for trader in self.traders:
            path = f"/v1/projects/{trader.place['projectId']}"
            trader.owner.call("DELETE", path)
            trader.owner.eventually(path, lambda status, _: status == 404)
            trader.owner.client.close()

    @rule(which=WHICH, amount=AMOUNTS)
    def offer(self, which: int, amount: float) -> None:
        trader = self.traders[which % 2]
        status, made = trader.owner.call("POST", ROOT, {**trader.place, "amount": amount})
        pending = [
            one
            for one in self.templates
            if one.author is trader and one.status in {"draft", "underReview"}
        ]
        assert status == (201 if len(pending) < MAX_PENDING else 429), made
        if status == 201:
            self.templates.append(Template(id=made["id"], author=trader, amount=amount))

    @precondition(lambda self: self.templates)
    @rule(which=WHICH)
    def send_for_review(self, which: int) -> None:
        one = self.some(which)
        status, told = one.author.owner.call("PUT", f"{ROOT}/{one.id}/send-for-review")
        assert status == (200 if one.status in SENDABLE else 422), told
        if status == 200:
            one.status = "underReview"

    @precondition(lambda self: self.templates)
    @rule(which=WHICH, reason=st.sampled_from([None, None, "Say more"]))
    def judge(self, which: int, reason: str | None) -> None:
        one = self.some(which)
        if one.status != "underReview":
            with pytest.raises(WrongStateError):
                anyio.run(review, self.config.data_dir, one.id, reason)
            return
        anyio.run(review, self.config.data_dir, one.id, reason)
        one.status = "rejected" if reason else "listed"
        one.rejections = [reason, *one.rejections] if reason else one.rejections

    @precondition(lambda self: self.templates)
    @rule(which=WHICH, amount=AMOUNTS)
    def change(self, which: int, amount: float) -> None:
        one = self.some(which)
        text = dict.fromkeys(("description", "overview", "useCases"), TEXT)
        body = {**text, "name": "Another name", "imageUri": "other.png", "amount": amount}
        body["videoUrl"] = "https://example.com/video"
        status, told = one.author.owner.call("PUT", f"{ROOT}/{one.id}", body)
        assert status == (200 if one.status in CHANGEABLE else 422), told
        if status == 200:
            one.amount = amount

    @precondition(lambda self: self.templates)
    @rule(which=WHICH)
    def withdraw(self, which: int) -> None:
        one = self.some(which)
        assert one.author.owner.call("DELETE", f"{ROOT}/{one.id}")[0] == 200
        self.templates.remove(one)

    @rule(which=WHICH, amount=st.sampled_from([0.1, 20.1, 50, -0.1, -12.35]))
    def give_credits(self, which: int, amount: float) -> None:
        trader = self.traders[which % 2]
        cents = round(amount * 100)
        if trader.cents + cents < 0:
            with pytest.raises(WrongStateError):
                anyio.run(add_credits, self.config.data_dir, trader.owner.name, amount)
        else:
            trader.cents += cents
            booked = anyio.run(add_credits, self.config.data_dir, trader.owner.name, amount)
            assert booked == trader.cents

    @precondition(lambda self: self.templates)
    @rule(which=WHICH, buyer=WHICH, prepared=st.booleans())
    def buy(self, which: int, buyer: int, *, prepared: bool) -> None:
        one, trader = self.some(which), self.traders[buyer % 2]
        if prepared:
            self.give_credits(buyer, one.amount)
            if one.status in SENDABLE:
                self.send_for_review(which)
            if one.status == "underReview":
                self.judge(which, None)
        price = round(one.amount * 100)
        owns = one.author is trader or one.id in {bought for bought, _ in trader.bought}
        status, told = trader.owner.call("POST", f"{ROOT}/{one.id}/buy")
        if one.status != "listed":
            assert status == 404, told
        elif owns or price > trader.cents:
            assert status == 422, told
        else:
            assert status == 200, told
            trader.bought.insert(0, (one.id, one.amount))
            trader.cents -= price
            one.author.cents += price
            Marketplace.sold_cents += price

    def some(self, which: int) -> Template:
        return self.templates[which % len(self.templates)]

    @invariant()
    def every_cent_is_where_it_was_booked(self) -> None:
        for trader in self.traders:
            name = trader.owner.name
            assert anyio.run(add_credits, self.config.data_dir, name, 0) == trader.cents

    @invariant()
    def everybody_sees_their_own_and_what_is_listed(self) -> None:
        listed = {one.id for one in self.templates if one.status == "listed"}
        for trader in self.traders:
            own = trader.owner.get(f"{ROOT}/my?limit=20")["templates"]
            expected = [one for one in reversed(self.templates) if one.author is trader]
            assert [(row["id"], row["status"], row["amount"]) for row in own] == [
                (one.id, one.status, one.amount) for one in expected
            ]
            page = trader.owner.get(f"{ROOT}?limit=20")
            assert page["pagination"]["total"] == STARTERS + len(listed)
            assert trader.owner.get(f"{ROOT}/counts")["total"] == STARTERS + len(listed)
            purchases = trader.owner.get(f"{ROOT}/purchases?limit=20")["purchases"]
            assert [(row["projectTemplateId"], row["purchasedAmount"]) for row in purchases] == [
                *trader.bought
            ]
        for one in self.templates:
            told = one.author.owner.get(f"{ROOT}/{one.id}/rejections")["rejections"]
            assert [row["rejectionReason"] for row in told] == one.rejections
            other = next(trader for trader in self.traders if trader is not one.author)
            seen = other.owner.call("GET", f"{ROOT}/{one.id}")[0]
            assert seen == (200 if one.status == "listed" else 403)
            assert other.owner.call("GET", f"{ROOT}/{one.id}/rejections")[0] == 404


@pytest.fixture(scope="module")
def marketplace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    Marketplace.config = PlatformConfig(data_dir=DataDir(tmp_path_factory.mktemp("market")))
    try:
        running = daemon.ensure_running(Marketplace.config, {"PATH": "/usr/bin:/bin"})
        Marketplace.url = running.api_url
        yield
    finally:
        daemon.stop_platform(Marketplace.config)


@pytest.mark.examples
@pytest.mark.usefixtures("marketplace")
def test_the_marketplace_does_what_its_model_does() -> None:
    run_state_machine_as_test(Marketplace, settings=model_runs(runs=4, steps=40))
    assert Marketplace.sold_cents, "nothing was sold for credits"
