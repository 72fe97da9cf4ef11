# syntax=docker/dockerfile:1
# The serving install alone, its hot half compiled: no compiler, no pip. Python is the version of the lock files.

FROM python:3.11-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1 SIDECAR_COMPILE=1
WORKDIR /src
COPY requirements/build.lock requirements/runtime.lock requirements/
RUN python -m venv /build \
 && /build/bin/pip install --no-deps --require-hashes -r requirements/build.lock -r requirements/runtime.lock \
 && python -m venv --without-pip /opt/sidecar \
 && /build/bin/pip --python /opt/sidecar/bin/python install --no-deps --require-hashes -r requirements/runtime.lock
COPY pyproject.toml setup.py README.md LICENSE ./
COPY policies policies
COPY sidecar sidecar
RUN /build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /dist . \
 && /build/bin/pip --python /opt/sidecar/bin/python install --no-deps --no-index /dist/*.whl

FROM python:3.11-slim-bookworm
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="sidecar" \
      org.opencontainers.image.description="An async proxy that guards, records and shadows any model endpoint." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/sidecar /opt/sidecar
# 65532 is the uid of distroless' nonroot; a cluster may give /data another owner through fsGroup.
RUN install --directory --owner=65532 --group=65532 --mode=0700 /data
ENV PATH=/opt/sidecar/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    SIDECAR_DATA=/data
USER 65532:65532
VOLUME /data
# Data port and health port. The root file system may be read-only; only /data is written to.
EXPOSE 8600 8601
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 \
    CMD ["sidecar", "status", "--health", "http://127.0.0.1:8601"]
ENTRYPOINT ["sidecar"]
CMD ["serve"]
