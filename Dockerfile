# Three images: `server` (the default; ONNX and TFLite), `server-tensorflow` (SavedModels too) and `converter`.
# docs/deployment.md says how to build and run them.
#
# All packages come from the lock files in requirements/, checked by hash. To use your own package index, pass the
# optional secret `pip.conf` to the build. It is mounted while pip runs and is not in any layer.
ARG BASE=python:3.11-slim
FROM ${BASE} AS base


# pip and the build backend. The images contain only the three things that they copy from this stage.
FROM base AS tools
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements/build.txt /build.txt
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    python3 -m venv /tools && /tools/bin/pip install --require-hashes -r /build.txt
# The account that all images run as, and an empty folder to create its volumes from. The final stages only copy:
# no command runs in them, so they contain no logs, caches or mount points.
RUN echo 'plainserve:x:10001:10001::/tmp:/usr/sbin/nologin' >> /etc/passwd \
    && echo 'plainserve:x:10001:' >> /etc/group \
    && mkdir /empty


# The native front end is compiled here. auditwheel copies libnghttp2 into the wheel, so that the images need neither
# compiler nor Debian packages. The official base has Python's headers; one with Debian's Python gets them here.
FROM tools AS wheel
RUN apt-get update && apt-get install --yes --no-install-recommends g++ libnghttp2-dev \
    && headers=$(python3 -c 'import sysconfig; print(sysconfig.get_path("include"))') \
    && { [ -e "$headers/Python.h" ] || apt-get install --yes --no-install-recommends python3-dev; }
COPY pyproject.toml hatch_build.py README.md LICENSE /src/
COPY licenses /src/licenses
COPY converter /src/converter
COPY plainserve /src/plainserve
COPY protos /src/protos
COPY serving /src/serving
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    PLAINSERVE_NATIVE=require /tools/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /built /src \
    && PATH=/tools/bin:$PATH auditwheel repair --wheel-dir /wheel /built/*.whl


# The environments contain no pip: this stage's pip installs into them.
FROM tools AS server-environment
COPY requirements/server.txt /requirements.txt
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    python3 -m venv --without-pip /opt/plainserve \
    && /tools/bin/pip --python /opt/plainserve install --require-hashes -r /requirements.txt
COPY --from=wheel /wheel /wheel
RUN /tools/bin/pip --python /opt/plainserve install --no-deps --no-index /wheel/*.whl


FROM tools AS server-tensorflow-environment
COPY requirements/server-tensorflow.txt /requirements.txt
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    python3 -m venv --without-pip /opt/plainserve \
    && /tools/bin/pip --python /opt/plainserve install --require-hashes -r /requirements.txt
COPY --from=wheel /wheel /wheel
RUN /tools/bin/pip --python /opt/plainserve install --no-deps --no-index /wheel/*.whl


# This image has everything that serves SavedModels, and a few small packages more.
FROM server-tensorflow-environment AS converter-environment
COPY requirements/converter.txt /requirements.txt
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    /tools/bin/pip --python /opt/plainserve install --require-hashes -r /requirements.txt


# A new named volume gets the owner of the folder that it covers, so both folders belong to the account.
FROM base AS runtime
COPY --from=tools /etc/passwd /etc/group /etc/
COPY --from=tools --chown=10001:10001 /empty /models
ENV PATH=/opt/plainserve/bin:$PATH HOME=/tmp PYTHONUNBUFFERED=1
WORKDIR /models
USER 10001:10001


FROM runtime AS converter
COPY --from=tools --chown=10001:10001 /empty /repository
COPY --from=converter-environment /opt/plainserve /opt/plainserve
ENTRYPOINT ["convert"]
CMD ["--help"]


FROM runtime AS serving
EXPOSE 8001 8002
HEALTHCHECK --interval=10s --timeout=10s --start-period=30s --retries=3 CMD ["plainserve", "health"]
ENTRYPOINT ["plainserve"]
CMD ["serve", "/models", "--host", "0.0.0.0"]


FROM serving AS server-tensorflow
COPY --from=server-tensorflow-environment /opt/plainserve /opt/plainserve


FROM serving AS server
COPY --from=server-environment /opt/plainserve /opt/plainserve
