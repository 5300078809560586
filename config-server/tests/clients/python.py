"""Reads the test's configuration with each of the PyPI clients. Prints one line for each that got everything right."""

import os
import urllib.request
from importlib.metadata import version
from multiprocessing import get_context
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

URL = os.environ["CONFIG_URL"]
NAME, SECRET, ADMIN = os.environ["CONFIG_NAME"], os.environ["CONFIG_SECRET"], os.environ["CONFIG_ADMIN_SECRET"]


def with_login(name, secret):
    parts = urlsplit(URL)
    return parts._replace(netloc=f"{name}:{secret}@{parts.netloc}").geturl()


def config_client():
    from config.spring import ConfigClient

    client = ConfigClient(address=URL, app_name="svc", profile="dev", label="main", fail_fast=False)
    client.get_config(auth=(NAME, SECRET))
    assert client.get("who") == "svc-dev"
    assert client.get("db.port") == 3307
    assert client.get("list") == ["a", "b"], client.get("list")
    assert client.get_file("note.txt", auth=(NAME, SECRET)) == "for db.example\n"
    sealed = client.encrypt("s3cret + more", auth=("admin", ADMIN))
    assert client.decrypt(sealed, auth=("admin", ADMIN)) == "s3cret + more"
    # Its defaults: profile `development`, label `master`.
    default = ConfigClient(address=URL, app_name="svc", fail_fast=False)
    default.get_config(auth=(NAME, SECRET))
    assert default.get("who") == "svc"


def config_server_client_python():
    from src.config_server_python_library import ConfigServerPythonClient

    for label, who in [("", "svc-dev"), ("feature(_)x", "svc-dev")]:
        client = ConfigServerPythonClient(with_login(NAME, SECRET), "svc", ["dev"], label, "test")
        client._fetch_and_merge_config()
        client._resolve_required_placeholders()
        assert client.resolved_config_properties["who"] == who
        assert client.resolved_config_properties["db.url"] == "mysql://db.example:3307"


def ecmind_spring_config():
    from ecmind_spring_config import Config

    passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    passwords.add_password(None, URL, NAME, SECRET)
    urllib.request.install_opener(urllib.request.build_opener(urllib.request.HTTPBasicAuthHandler(passwords)))
    with TemporaryDirectory() as folder:
        with open(f"{folder}/application.yml", "w") as file:
            file.write(f"spring: {{application: {{name: svc}}, cloud: {{config: {{uri: '{URL}'}}}}}}")
        config = Config(profiles=["dev", "mysql"], locations=[folder])
    assert config.get("who") == "svc-mysql"
    assert config.get("db.url") == "mysql://db.example:3307"


def spring_centralized_config_client():
    from spring_centralized_config_client.client import SpringCentralizedConfigClient

    options = dict(app_name="svc", profile="mysql", branch="main", url=URL, auth_required=True)
    client = SpringCentralizedConfigClient(username=NAME, password=SECRET, **options)
    assert client.get_config()["who"] == "svc-mysql"
    admin = SpringCentralizedConfigClient(username="admin", password=ADMIN, **options)
    spring = "682bc583f4641835fa2db009355293665d2647dade3375c0ee201de2a49f7bda"
    assert admin._fetch_decrypted_config(spring) == "mysecret"


def spring_config_client():
    from spring_config import ClientConfigurationBuilder
    from spring_config.client import SpringConfigClient

    builder = ClientConfigurationBuilder().app_name("svc").address(URL).branch("main").profile("dev")
    client = SpringConfigClient(builder.authentication((NAME, SECRET)).build())
    assert client.get_attribute("db.url") == "mysql://db.example:3307"
    assert client.get_config()["list"] == ["a", "b"]


def spring_config_client_python():
    from spring_config_client.client import SpringConfigClient

    loaded = SpringConfigClient(URL, "svc", "dev", NAME, SECRET).fetch_and_load()
    assert loaded["who"] == "svc-dev" and loaded["db.password"] == "mysecret"


def spring_ready_python():
    from spring_ready.config.loader import ConfigServerLoader

    loader = ConfigServerLoader("svc", "dev", config_server_url=URL, username=NAME, password=SECRET)
    assert loader.load_config()["who"] == "svc-dev"


def run(check):
    """In a process of its own: some of the clients change the environment or urllib for all others."""
    process = get_context("fork").Process(target=check)
    process.start()
    process.join()
    assert process.exitcode == 0, check.__name__


for check in [
    config_client,
    config_server_client_python,
    ecmind_spring_config,
    spring_centralized_config_client,
    spring_config_client,
    spring_config_client_python,
    spring_ready_python,
]:
    run(check)
    package = check.__name__.replace("_", "-")
    print("ok", package, version(package), flush=True)
