"""Under load the group grows, and the page shows it; then it shrinks, and nothing was lost."""

from concurrent.futures import ThreadPoolExecutor

from playwright.sync_api import expect

from local.growth import PATIENCE, scale
from local.progress import Progress
from local.scaling import scaling_of

SLOW = PATIENCE * 1000


def test_the_page_shows_a_group_that_follows_its_load(deployed, visit):
    scaling = scaling_of(deployed.deployment.templates)
    window = visit()
    for remark in ("502", "504", "ERR_INCOMPLETE_CHUNKED_ENCODING"):
        window.expect_refusal(remark)  # the instance that holds its stream may leave
    # Those that were killed before are remembered for a while, as silent.
    cards = window.open("#/cluster").get_by_role("article").filter(has_not_text="silent")
    expect(cards).to_have_count(scaling.least)
    with ThreadPoolExecutor() as elsewhere:
        run = elsewhere.submit(scale, deployed, Progress())
        expect(cards).to_have_count(scaling.most, timeout=SLOW)
        window.keep("cluster-under-load")
        expect(cards).to_have_count(scaling.least, timeout=SLOW)
        outcome = run.result()
    assert outcome.sizes[0] == outcome.sizes[-1] == scaling.least
    assert max(outcome.sizes) == scaling.most
    assert outcome.counted > 0
