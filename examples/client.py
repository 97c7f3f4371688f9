"""Compares a recording with a snippet of a page at a server: client.py HOST:PORT WAV PNG."""

import sys

import grpc
import numpy as np
import tensorflow as tf
from PIL import Image
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

server, wav, png = sys.argv[1:]
stub = prediction_service_pb2_grpc.PredictionServiceStub(grpc.insecure_channel(server))


def embed(signature, name, batch):
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = "tempo_invariant", signature
    request.inputs[name].CopyFrom(tf.make_tensor_proto(batch))
    return tf.make_ndarray(stub.Predict(request, timeout=60).outputs["embedding"])


sound = embed("embed_audio_file", "wav", [open(wav, "rb").read()])  # 16 bits, 22,050 Hz
pixels = np.array(Image.open(png, formats=["PNG"]).convert("L"))  # 200 x 160, a page is 835 wide
sheet = embed("embed_sheet", "image", pixels[None])
print(f"cosine similarity: {np.vdot(sound, sheet):.3f}")
