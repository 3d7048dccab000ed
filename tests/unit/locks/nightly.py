"""A job "a" that lasts for a minute at the least: calls of it, and the begin and end of a run."""

from datetime import timedelta

from interlock._protocol.locks.jobs import Job
from interlock._protocol.locks.runs import entry

LEASE = 20.0
AT_LEAST = 60.0


def seconds(number):
    return timedelta(seconds=number)


def a_job(process, otherwise="skip", at_least=AT_LEAST, **options):
    lasting = timedelta(seconds=at_least) if isinstance(at_least, float) else at_least
    options = {"at_most": None, "timeout": None, **options}
    return Job.of(process.settings, "a", at_least=lasting, otherwise=otherwise, **options)


def call(process, otherwise="skip", **options):
    """Call the job; return the grant, the run whose result the caller gets, or None."""
    acquisition = process.locks.job(a_job(process, otherwise, **options))
    process.driver.run(acquisition.run())
    return acquisition.granted[0] if acquisition.granted else acquisition.found


def begin(process, **options):
    """Begin a run, and return its grant."""
    grant = call(process, **options)
    assert process.locks.begin(grant, a_job(process, **options), process.driver.now)
    return grant


def end(process, grant, result='"done"'):
    """Record a run that has ended before its time was over."""
    grant.run = entry(grant.fence, grant.owner, began=0.0, took=0.0, result=result)
    process.driver.run(process.locks.reserve(grant))
