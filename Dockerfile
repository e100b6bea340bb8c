# One image for every process of Aviary: `docker build -t aviary .`, then `aviary <command>` in it.
# BASE needs Python 3.11 or newer with venv. No BuildKit feature is used.
ARG BASE=python:3.12-slim-bookworm

FROM ${BASE} AS build
WORKDIR /src
COPY deploy/build.lock requirements.lock ./
RUN python3 -m venv /build \
 && /build/bin/python -m pip install --no-cache-dir --require-hashes -r build.lock \
 && python3 -m venv --without-pip /opt/aviary \
 && /build/bin/python -m pip --python /opt/aviary/bin/python install --no-cache-dir --require-hashes \
      --only-binary :all: -r requirements.lock
COPY . .
RUN /build/bin/python -m pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels . \
 && /build/bin/python -m pip --python /opt/aviary/bin/python install --no-cache-dir --no-deps /wheels/*.whl

FROM ${BASE}
COPY --from=build /opt/aviary /opt/aviary
# A number, so that Kubernetes can see that it is not root; it owns the data folder and nothing else.
RUN mkdir -p /var/lib/aviary && chown 10001:10001 /var/lib/aviary
ENV PATH=/opt/aviary/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    AVIARY_DATA_DIR=/var/lib/aviary
WORKDIR /var/lib/aviary
USER 10001:10001
EXPOSE 8000
# Of the default command: whether it can take commands (/ready/api). A worker's asks for its own name.
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s CMD ["aviary", "health", "api"]
ENTRYPOINT ["aviary"]
CMD ["api"]
