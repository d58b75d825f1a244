# Three images from one file:
#   docker build --target gateway -t ssu-gateway .   the service, models inside: no torch, no compiler
#   docker build --target triton  -t ssu-triton --build-arg TRITON_IMAGE=... .
#   docker build --target trainer -t ssu-trainer .   training and export, on a CPU or a GPU
# Every Python package is locked by hash: requirements/ is written by scripts/lock.

ARG DEBIAN_IMAGE=debian:bookworm-slim
# NVIDIA's image of the Triton server, of the version to be deployed; there is no default.
ARG TRITON_IMAGE=tritonserver:unset

FROM ${DEBIAN_IMAGE} AS python
# Debian's security updates are wanted, not one certain version.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates python3.11 \
    && rm -rf /var/lib/apt/lists/*
ENV PYTHONUNBUFFERED=1

FROM python AS builder
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends binutils python3-pip python3.11-venv \
    && rm -rf /var/lib/apt/lists/*
ENV PIP_BREAK_SYSTEM_PACKAGES=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_NO_COMPILE=1
WORKDIR /build
COPY requirements/build.txt ./
RUN python3.11 -m venv tools \
    && tools/bin/pip install --require-hashes --no-deps --requirement build.txt
COPY pyproject.toml README.md LICENSE project/
COPY ssu project/ssu
COPY ssuformer project/ssuformer
COPY service project/service
COPY training project/training
COPY model_export project/model_export
COPY samples project/samples
RUN tools/bin/pip wheel --no-deps --no-build-isolation --wheel-dir wheels ./project

FROM builder AS gateway-packages
COPY requirements/gateway.txt ./
RUN python3.11 -m venv --without-pip /opt/ssu \
    && python3.11 -m pip --python /opt/ssu/bin/python install --require-hashes --no-deps \
        --requirement gateway.txt \
    && python3.11 -m pip --python /opt/ssu/bin/python install --no-deps wheels/*.whl \
    && tools/bin/cyclonedx-py environment --output-reproducible --output-file /opt/ssu/sbom.cdx.json \
        /opt/ssu/bin/python
# What serving never opens: other packages' tests, onnxruntime's tools for training and conversion,
# its C library (the Python module holds the same code again), symbols for debuggers. The libraries
# in *.libs were patched and must stay as they are.
WORKDIR /opt/ssu/lib/python3.11/site-packages
RUN find . -type d -name tests -prune -exec rm -r {} + \
    && rm -r onnxruntime/transformers onnxruntime/tools onnxruntime/quantization onnxruntime/datasets \
        onnxruntime/capi/libonnxruntime.so* \
    && find . -name '*.so' -not -path '*.libs/*' -exec strip --strip-debug {} +
# Bytecode of what serving imports, and the proof that all of it still loads.
RUN /opt/ssu/bin/python -c 'import service.command, service.cli, service.cli.serve, service.server, \
    service.understanding.decoding_template, service.understanding.drawing_child, \
    service.understanding.sandbox.probe, service.cli.exported, \
    service.engines.embedded, service.engines.triton, service.telemetry.spans'

FROM python AS gateway
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="SSUFormer gateway" \
      org.opencontainers.image.description="Clips in over HTTP, masks and sentences of what sounds out" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=gateway-packages /opt/ssu /opt/ssu
COPY triton_repo /models
ENV PATH=/opt/ssu/bin:$PATH \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    SSU_MODEL_REPOSITORY=/models
WORKDIR /tmp
USER 10001:10001
EXPOSE 8000 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/livez', timeout=2)"]
ENTRYPOINT ["ssu"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]

FROM ${TRITON_IMAGE} AS triton
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="SSUFormer models on NVIDIA Triton" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# NVIDIA's image has the C++ backends that the models name (onnxruntime, tensorrt), and they are used.
# Ours in Python, for the CPU, is for images without them. It lies apart, where Triton does not look
# unless told: it has the name of the C++ one. docs/adr/0005, docs/operations.md.
COPY service/triton_server/backend.py /opt/ssu/backends/onnxruntime/model.py
COPY triton_repo /models
USER 10001:10001
EXPOSE 8000 8001 8002
ENTRYPOINT ["tritonserver"]
# As k8s/overlays/gpu starts it.
CMD ["--model-repository=/models", "--model-config-name=onnx-cuda-tensorrt", \
     "--disable-auto-complete-config", "--strict-readiness=true", "--exit-timeout-secs=120", \
     "--metrics-config=histogram_latencies=true", "--grpc-max-connection-age=10000"]

FROM builder AS trainer-packages
COPY requirements/trainer.txt ./
RUN python3.11 -m venv --without-pip /opt/ssu \
    && python3.11 -m pip --python /opt/ssu/bin/python install --require-hashes --no-deps \
        --requirement trainer.txt \
    && python3.11 -m pip --python /opt/ssu/bin/python install --no-deps wheels/*.whl

FROM python AS trainer
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="SSUFormer training and export" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=trainer-packages /opt/ssu /opt/ssu
ENV PATH=/opt/ssu/bin:$PATH
WORKDIR /work
COPY training/configs training/configs
RUN chown 10001:10001 /work
USER 10001:10001
ENTRYPOINT ["python", "-m"]
CMD ["training", "--help"]
