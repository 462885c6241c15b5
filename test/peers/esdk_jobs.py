"""AWS's Encryption SDK for Python, for the tests: takes a list of jobs on standard input, as JSON, and answers each in turn.

A job is {"do": "encrypt" or "decrypt", "keyring": …, "data": base64, "context": {…}, "frame": bytes, "suite": name}; an
answer has "data" in base64 and the "context" of the header, or "error". A KMS client has the endpoint, the region and
the credentials of its keyring, so that one run speaks to several services.
"""

import base64
import json
import os
import sys

import boto3
from aws_cryptographic_material_providers.mpl import AwsCryptographicMaterialProviders
from aws_cryptographic_material_providers.mpl.config import MaterialProvidersConfig
from aws_cryptographic_material_providers.mpl.models import (
    AesWrappingAlg,
    CreateAwsKmsDiscoveryKeyringInput,
    CreateAwsKmsKeyringInput,
    CreateMultiKeyringInput,
    CreateRawAesKeyringInput,
    CreateRawRsaKeyringInput,
    DiscoveryFilter,
    PaddingScheme,
)
from aws_encryption_sdk import Algorithm, CommitmentPolicy, EncryptionSDKClient, StrictAwsKmsMasterKeyProvider

PROVIDERS = AwsCryptographicMaterialProviders(MaterialProvidersConfig())
CLIENT = EncryptionSDKClient(commitment_policy=CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT)

MADE = {}


def kms_of(service):
    return boto3.client(
        "kms",
        endpoint_url=service["endpoint"],
        region_name=service["region"],
        aws_access_key_id=service["accessKeyId"],
        aws_secret_access_key=service["secretAccessKey"],
    )


def keyring_of(wanted):
    kind = wanted["kind"]
    if kind == "kms":
        return PROVIDERS.create_aws_kms_keyring(
            CreateAwsKmsKeyringInput(kms_key_id=wanted["key"], kms_client=kms_of(wanted["service"]))
        )
    if kind == "discovery":
        only = DiscoveryFilter(account_ids=wanted["accountIds"], partition="aws")
        return PROVIDERS.create_aws_kms_discovery_keyring(
            CreateAwsKmsDiscoveryKeyringInput(kms_client=kms_of(wanted["service"]), discovery_filter=only)
        )
    if kind == "aes":
        return PROVIDERS.create_raw_aes_keyring(
            CreateRawAesKeyringInput(
                key_namespace=wanted["namespace"],
                key_name=wanted["name"],
                wrapping_key=base64.b64decode(wanted["key"]),
                wrapping_alg=AesWrappingAlg.ALG_AES256_GCM_IV12_TAG16,
            )
        )
    if kind == "rsa":
        return PROVIDERS.create_raw_rsa_keyring(
            CreateRawRsaKeyringInput(
                key_namespace=wanted["namespace"],
                key_name=wanted["name"],
                padding_scheme=getattr(PaddingScheme, wanted["padding"]),
                public_key=wanted["publicKey"].encode(),
                private_key=wanted["privateKey"].encode(),
            )
        )
    if kind == "multi":
        generator, *children = [keyring_of(one) for one in wanted["keyrings"]]
        return PROVIDERS.create_multi_keyring(
            CreateMultiKeyringInput(generator=generator, child_keyrings=children)
        )
    raise ValueError(kind)


def materials(wanted):
    """The keyring of today, or the master key provider of the interface before it, which makes its clients by itself."""
    name = json.dumps(wanted)
    if name not in MADE:
        MADE[name] = make(wanted)
    return MADE[name]


def make(wanted):
    if wanted["kind"] != "master-key-provider":
        return {"keyring": keyring_of(wanted)}
    service = wanted["service"]
    os.environ["AWS_ENDPOINT_URL_KMS"] = service["endpoint"]
    os.environ["AWS_ACCESS_KEY_ID"] = service["accessKeyId"]
    os.environ["AWS_SECRET_ACCESS_KEY"] = service["secretAccessKey"]
    return {"key_provider": StrictAwsKmsMasterKeyProvider(key_ids=[wanted["key"]])}


def answer(job):
    data = base64.b64decode(job["data"])
    how = materials(job["keyring"])
    if job["do"] == "decrypt":
        result, header = CLIENT.decrypt(source=data, **how)
    else:
        result, header = CLIENT.encrypt(
            source=data,
            encryption_context=job["context"],
            frame_length=job["frame"],
            algorithm=Algorithm[job["suite"]],
            **how,
        )
    return {"data": base64.b64encode(result).decode(), "context": dict(header.encryption_context)}


answers = []
for job in json.load(sys.stdin):
    try:
        answers.append(answer(job))
    except Exception as error:  # what it refuses is an answer too
        answers.append({"error": f"{type(error).__name__}: {error}"})
json.dump(answers, sys.stdout)
