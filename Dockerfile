# otel-bridge in a container: the command line, nothing else, as a user without rights.
#
#   docker build -t otel-bridge .
#   docker run --rm --user "$(id -u):0" -v ~/.claude/projects:/transcripts/projects:ro otel-bridge stats
#
# A volume for the index, -v otel-bridge:/var/lib/otel-bridge, keeps it for the next run.
#
# Of Python the newest patch release is taken with each build; all packages are those of requirements/run.lock, by hash.

FROM python:3.13-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
RUN python -m venv /opt/otel-bridge
COPY requirements/run.lock requirements/
RUN /opt/otel-bridge/bin/python -m pip install --require-hashes --only-binary :all: -r requirements/run.lock
COPY pyproject.toml README.md LICENSE ./
COPY otel_bridge otel_bridge/
RUN /opt/otel-bridge/bin/python -m pip install --no-deps --no-build-isolation .
# What only builds has no business in the image.
RUN /opt/otel-bridge/bin/python -m pip uninstall --yes editables hatchling packaging pathspec pluggy trove-classifiers pip

FROM python:3.13-slim-bookworm
LABEL org.opencontainers.image.title="otel-bridge" \
      org.opencontainers.image.description="What your coding agents cost and where the time goes" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/otel-bridge /opt/otel-bridge
ENV PATH=/opt/otel-bridge/bin:$PATH \
    CLAUDE_CONFIG_DIR=/transcripts \
    OTEL_BRIDGE_DATA_DIR=/var/lib/otel-bridge \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
# Any other user does as well, one without a name or a home too; group 0 is what OpenShift gives.
RUN mkdir --mode=770 /var/lib/otel-bridge
USER 10001:0
WORKDIR /transcripts
ENTRYPOINT ["otel-bridge"]
CMD ["--help"]
