# The service of a model: `docker build -t mlwright-serve .`, `docker run -v $PWD/runs/RUN/model:/model:ro mlwright-serve serve /model ...`
# docs/how-to/deploy.md says how SageMaker, Vertex AI and Kubernetes run it.

ARG PYTHON=3.12

# The wheel with the compiled kernels; the compiler stays here.
FROM python:${PYTHON}-slim AS build
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev
WORKDIR /source
COPY pyproject.toml setup.py README.md LICENSE ./
COPY src ./src
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . \
 && python -m zipfile --list /wheels/mlwright-*.whl | grep --quiet '_forest.*\.so'

FROM python:${PYTHON}-slim
# What members of a model may answer with; xgboost-cpu is another. Without catboost some 500 MB are saved.
ARG FAMILIES="catboost"
# OpenMP for LightGBM.
RUN apt-get update && apt-get install --yes --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/*
COPY constraints.txt docker/serving.txt /tmp/
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    pip install --no-cache-dir --constraint /tmp/constraints.txt --requirement /tmp/serving.txt ${FAMILIES} \
 && pip install --no-cache-dir --no-deps /wheels/mlwright-*.whl \
 && useradd --system --uid 10001 --create-home mlwright
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 MLWRIGHT_PORT=8080
# SageMaker asks for images whose user is root: --build-arg SERVICE_USER=root.
ARG SERVICE_USER=mlwright
USER ${SERVICE_USER}
WORKDIR /home/mlwright
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=2s --start-period=10s CMD ["python", "-m", "mlwright.serving.health"]
# The exec form: signals reach the service. SageMaker adds `serve`, others use the default below.
ENTRYPOINT ["mlwright"]
CMD ["serve"]
