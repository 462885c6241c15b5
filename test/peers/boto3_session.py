"""What the test boto3.test.ts runs: the main operations through boto3, each claim one assertion.

Endpoint, region and credentials come from the environment, as boto3 itself finds them. Prints the claims that hold, one a
line; the first that does not ends the program with its traceback.
"""

import datetime
import hashlib
import os

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

kms = boto3.client("kms", config=Config(retries={"max_attempts": 1}))
errors = kms.exceptions
ACCOUNT = os.environ["CLAVIGER_ACCOUNT_ID"]
REGION = os.environ["AWS_DEFAULT_REGION"]
UNKNOWN_ID = "01900000-0000-7000-8000-000000000000"


def holds(claim, condition=True):
    assert condition, claim
    print(claim)


def refused(claim, exception, call, **fields):
    try:
        call(**fields)
    except exception as error:
        # boto3 makes a class of each exception that the model knows; others are told by their code.
        assert type(error) is exception, type(error)
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 400
        assert len(error.response["ResponseMetadata"]["RequestId"]) == 36
        print(claim)
    else:
        raise AssertionError(claim)


def refused_as(claim, code, call, **fields):
    try:
        call(**fields)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error
        print(claim)
    else:
        raise AssertionError(claim)


key = kms.create_key(Description="orders", Tags=[{"TagKey": "team", "TagValue": "shop"}])["KeyMetadata"]
key_id, arn = key["KeyId"], key["Arn"]
holds("a key is made", arn == f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{key_id}")
age = datetime.datetime.now(datetime.timezone.utc) - key["CreationDate"]
holds("times are times", abs(age) < datetime.timedelta(minutes=1))
described = kms.describe_key(KeyId=arn)
holds("a key is described", described["KeyMetadata"] == key)
holds("an answer names its request", len(described["ResponseMetadata"]["RequestId"]) == 36)

kms.create_alias(AliasName="alias/boto3", TargetKeyId=key_id)
blob = kms.encrypt(KeyId="alias/boto3", Plaintext=b"hello", EncryptionContext={"shop": "1"})["CiphertextBlob"]
opened = kms.decrypt(CiphertextBlob=blob, EncryptionContext={"shop": "1"})
holds("what is encrypted is opened", opened["Plaintext"] == b"hello" and opened["KeyId"] == arn)
refused("a wrong context is refused", errors.InvalidCiphertextException, kms.decrypt, CiphertextBlob=blob)

other = kms.create_key()["KeyMetadata"]["KeyId"]
moved = kms.re_encrypt(
    CiphertextBlob=blob, SourceEncryptionContext={"shop": "1"}, DestinationKeyId=other
)["CiphertextBlob"]
holds("a ciphertext moves to another key", kms.decrypt(CiphertextBlob=moved, KeyId=other)["Plaintext"] == b"hello")
refused(
    "a wrong key is refused",
    errors.IncorrectKeyException,
    kms.decrypt,
    CiphertextBlob=moved,
    KeyId=key_id,
)

data_key = kms.generate_data_key(KeyId=key_id, KeySpec="AES_256")
holds("a data key is made", len(data_key["Plaintext"]) == 32)
holds(
    "a data key is opened",
    kms.decrypt(CiphertextBlob=data_key["CiphertextBlob"])["Plaintext"] == data_key["Plaintext"],
)
without = kms.generate_data_key_without_plaintext(KeyId=key_id, NumberOfBytes=24)
holds("a data key comes without its plaintext", "Plaintext" not in without)
holds("random bytes are made", len(kms.generate_random(NumberOfBytes=48)["Plaintext"]) == 48)

signing = kms.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
fields = {"KeyId": signing, "SigningAlgorithm": "RSASSA_PSS_SHA_256"}
signature = kms.sign(Message=hashlib.sha256(b"order").digest(), MessageType="DIGEST", **fields)["Signature"]
holds("a digest is signed", kms.verify(Message=b"order", Signature=signature, **fields)["SignatureValid"] is True)
refused(
    "a wrong signature is refused",
    errors.KMSInvalidSignatureException,
    kms.verify,
    Message=b"other",
    Signature=signature,
    **fields,
)
public = kms.get_public_key(KeyId=signing)
holds("a public key is given", public["KeySpec"] == "RSA_2048" and len(public["PublicKey"]) > 256)

mac_key = kms.create_key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")["KeyMetadata"]["KeyId"]
fields = {"KeyId": mac_key, "MacAlgorithm": "HMAC_SHA_256"}
mac = kms.generate_mac(Message=b"order", **fields)["Mac"]
holds("a MAC is made", kms.verify_mac(Message=b"order", Mac=mac, **fields)["MacValid"] is True)
refused(
    "a wrong MAC is refused", errors.KMSInvalidMacException, kms.verify_mac, Message=b"other", Mac=mac, **fields
)

kms.enable_key_rotation(KeyId=key_id)
holds("rotation is on", kms.get_key_rotation_status(KeyId=key_id)["KeyRotationEnabled"] is True)
kms.disable_key_rotation(KeyId=key_id)
for _ in range(3):
    kms.rotate_key_on_demand(KeyId=key_id)
pages = list(kms.get_paginator("list_key_rotations").paginate(KeyId=key_id, PaginationConfig={"PageSize": 2}))
holds("rotations come page by page", [len(page["Rotations"]) for page in pages] == [2, 1])
holds("old ciphertexts open", kms.decrypt(CiphertextBlob=data_key["CiphertextBlob"])["KeyId"] == arn)

for name in "abc":
    kms.create_alias(AliasName=f"alias/boto3/{name}", TargetKeyId=other)
names = [
    alias["AliasName"]
    for page in kms.get_paginator("list_aliases").paginate(KeyId=other, PaginationConfig={"PageSize": 2})
    for alias in page["Aliases"]
]
holds("aliases come page by page", names == ["alias/boto3/a", "alias/boto3/b", "alias/boto3/c"])
keys = [
    entry["KeyId"]
    for page in kms.get_paginator("list_keys").paginate(PaginationConfig={"PageSize": 2})
    for entry in page["Keys"]
]
holds("keys come page by page", {key_id, other, signing, mac_key} <= set(keys) and len(keys) == len(set(keys)))
kms.tag_resource(KeyId=key_id, Tags=[{"TagKey": str(number), "TagValue": ""} for number in range(4)])
tags = [
    tag["TagKey"]
    for page in kms.get_paginator("list_resource_tags").paginate(KeyId=key_id, PaginationConfig={"PageSize": 2})
    for tag in page["Tags"]
]
holds("tags come page by page", tags == ["0", "1", "2", "3", "team"])
policies = kms.get_paginator("list_key_policies").paginate(KeyId=key_id).build_full_result()
holds("policies are listed", policies["PolicyNames"] == ["default"])

refused("an unknown key is not found", errors.NotFoundException, kms.describe_key, KeyId=UNKNOWN_ID)
refused("a malformed ARN is refused", errors.InvalidArnException, kms.describe_key, KeyId="arn:aws:s3:::x")
refused(
    "a taken alias is refused",
    errors.AlreadyExistsException,
    kms.create_alias,
    AliasName="alias/boto3",
    TargetKeyId=key_id,
)
refused(
    "a bad alias is refused",
    errors.InvalidAliasNameException,
    kms.create_alias,
    AliasName="alias/aws/x",
    TargetKeyId=key_id,
)
refused("a foreign marker is refused", errors.InvalidMarkerException, kms.list_keys, Marker="nonsense")
refused("a bad usage is refused", errors.InvalidKeyUsageException, kms.encrypt, KeyId=signing, Plaintext=b"x")
refused(
    "a reserved tag is refused",
    errors.TagException,
    kms.tag_resource,
    KeyId=key_id,
    Tags=[{"TagKey": "aws:x", "TagValue": ""}],
)
refused(
    "a policy of one's own is refused",
    errors.MalformedPolicyDocumentException,
    kms.put_key_policy,
    KeyId=key_id,
    Policy="{}",
)
refused(
    "a grant is refused",
    errors.UnsupportedOperationException,
    kms.create_grant,
    KeyId=key_id,
    GranteePrincipal="x",
    Operations=["Encrypt"],
)
refused(
    "a dry run says so", errors.DryRunOperationException, kms.encrypt, KeyId=key_id, Plaintext=b"x", DryRun=True
)
refused_as(
    "a plaintext of 4,097 bytes is refused", "ValidationException", kms.encrypt, KeyId=key_id, Plaintext=bytes(4097)
)

kms.disable_key(KeyId=key_id)
refused("a disabled key is refused", errors.DisabledException, kms.encrypt, KeyId=key_id, Plaintext=b"x")
kms.enable_key(KeyId=key_id)
date = kms.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=7)["DeletionDate"]
days = (date - datetime.datetime.now(datetime.timezone.utc)).total_seconds() / 86400
holds("a deletion has its date", 6.9 < days < 7.1)
refused(
    "a key that is going is refused", errors.KMSInvalidStateException, kms.encrypt, KeyId=key_id, Plaintext=b"x"
)
kms.cancel_key_deletion(KeyId=key_id)
holds("a deletion is cancelled", kms.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"] == "Disabled")

stranger = boto3.client("kms", aws_access_key_id="CLAVAAAABBBBCCCCDDDD", aws_secret_access_key="x" * 40)
refused_as("a stranger is refused", "UnrecognizedClientException", stranger.list_keys)
print("done")
