# The toolkit with its services, for one user without rights. docs/containers.md says how it is built and run.
ARG PYTHON_TAG=3.12.11-slim-bookworm

FROM python:${PYTHON_TAG} AS build
# Names of setup.cfg's extras.
ARG EXTRAS=app,demo,serve,node
# Where PyTorch comes from: without CUDA here; https://pypi.org/simple has it with CUDA, and is several GB.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/lungscan
ENV PATH=/opt/lungscan/bin:$PATH
WORKDIR /source
RUN pip install --index-url "${TORCH_INDEX}" "torch>=2.10" "torchvision>=0.25"
COPY pyproject.toml setup.cfg README.md LICENSE ./
COPY lungscan_monai lungscan_monai
# The toolkit itself, from this folder, which has no version to pin.
# hadolint ignore=DL3013
RUN pip install ".[${EXTRAS}]"

FROM python:${PYTHON_TAG}
RUN groupadd --gid 10001 lungscan \
    && useradd --uid 10001 --gid 10001 --create-home --shell /usr/sbin/nologin lungscan \
    && mkdir /store /bundles \
    && chown lungscan:lungscan /store
COPY --from=build /opt/lungscan /opt/lungscan
COPY monai_bundles /opt/bundles
ENV PATH=/opt/lungscan/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    MPLCONFIGDIR=/tmp/matplotlib \
    LUNGSCAN_BUNDLES=/bundles:/opt/bundles \
    LUNGSCAN_HEALTH_URL=http://127.0.0.1:8000/health
USER 10001:10001
WORKDIR /store
EXPOSE 8000 8501 7860 11112
HEALTHCHECK --interval=30s --timeout=10s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(os.environ['LUNGSCAN_HEALTH_URL'], timeout=5)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["lungscan"]
CMD ["--help"]
