# One instance of the service as a container. The context is the folder that `stacks.archive` writes:
# the same code and the same wheels that an EC2 instance unpacks.
#
# The base needs Python 3.11, for which the wheels are, and nothing else: no shell, no package
# manager. `python -m local.containers` makes one from Debian's packages where no registry of images
# is at hand: --build-arg BASE=localhost/interlock-base
ARG BASE=python:3.11-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b

FROM ${BASE} AS compiled
COPY . /opt/interlock
# The service cannot write there, and would compile everything again at each of its starts.
RUN ["python3", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "/opt/interlock"]

FROM ${BASE}
COPY --from=compiled /opt/interlock /opt/interlock
WORKDIR /opt/interlock
ENV PYTHONPATH=/opt/interlock PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
# A number: a name would have to be looked up in a file that the base may not have.
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python3", "-m", "server.probe"]
CMD ["python3", "-m", "server"]
