"""What a machine is given to tell somebody."""

from __future__ import annotations

from espalier.wiring.alerts import alert_refusal, alert_settings

EMAIL = {"host": "smtp.example.com", "port": 587, "user": "shop", "from": "a@b.example"}
EMAIL |= {"tls": "starttls"}


def test_mail_goes_by_the_project_s_server() -> None:
    given = {"email": "anna@example.com", "webhook": ["https://a.example/1"]}
    assert alert_settings(given, "vps1", "shop", EMAIL, "word") == {
        "site": "shop",
        "machine": "vps1",
        "email": ["anna@example.com"],
        "webhook": ["https://a.example/1"],
        "heartbeat": "",
        "smtp": {**EMAIL, "password": "word"},
        "ignore": [],
    }


def test_or_by_a_server_of_its_own() -> None:
    smtp = {"host": "mail.example.com", "from": "a@b.example", "tls": "ssl"}
    given = {"email": "anna@example.com", "smtp": smtp}
    assert alert_settings(given, "vps1", "shop", EMAIL, "word")["smtp"] == {
        **smtp,
        "port": 465,
        "user": "",
        "password": "",
    }


def test_a_password_goes_only_where_it_is_needed() -> None:
    assert alert_settings({}, "vps1", "shop", EMAIL, "word")["smtp"] == {}
    told = alert_settings({"email": "a@b.example"}, "vps1", "shop", {**EMAIL, "user": ""}, "word")
    assert told["smtp"]["password"] == ""


def test_mail_without_a_server_is_refused_and_no_secret_is_shown() -> None:
    assert alert_refusal({}, "vps1", {}) == ""
    assert alert_refusal({"email": "a@b.example"}, "vps1", EMAIL) == ""
    assert alert_refusal({"email": "a@b.example"}, "vps1", {}).startswith(
        "`alerts.email` of the machine `vps1` has no mail server to go by. Write `project.email`"
    )
    # As a template of the vault may turn out.
    refusal = alert_refusal({"webhook": "hooks.example/T0KEN"}, "vps1", {})
    assert refusal.startswith("`alerts.webhook[0]` of the machine `vps1` is no address of HTTP")
    assert "T0KEN" not in refusal
