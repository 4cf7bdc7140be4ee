"""The filters of `playbooks/` and `roles/`: the functions of `espalier.wiring`, as they are.

What each takes and gives stands in its module; here are only the names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleError

try:
    from espalier.inventory import names, secret_files, services
    from espalier.lab import builder
    from espalier.wiring import (
        acme_account,
        alerts,
        authority,
        backup,
        backup_key,
        certificate,
        databases,
        debian,
        directories,
        django,
        egress,
        firewall,
        logins,
        machine,
        mail,
        media,
        nginx,
        node,
        own_certificate,
        packages,
        pgbackrest,
        pgbouncer,
        postgresql,
        programs,
        record,
        redis,
        requirements,
        restic,
        roles,
        ssh,
        tunnel,
        updates,
    )
except ModuleNotFoundError as missing:
    if missing.name not in ("espalier", "pydantic"):
        raise
    raise AnsibleError(
        f"The Python package `{missing.name}` is not installed beside this Ansible. Activate the "
        "kit's virtual environment (`source .venv/bin/activate`), or install the kit beside it "
        "(`pip install -e .`)."
    ) from None

# By name: what this version of the kit can do, and facts of the package that roles need too.
TABLES: Mapping[str, Any] = {
    "debian": list(debian.RELEASES),
    "tiers_available": list(services.TIERS_AVAILABLE),
    "plain_proxy_port": services.PLAIN_PROXY_PORT,
    "proxy_name": authority.PROXY_NAME,
    "trusted_file": authority.TRUSTED,
}

FILTERS: Mapping[str, Callable[..., Any]] = {
    "espalier_alert_refusal": alerts.alert_refusal,
    "espalier_alert_settings": alerts.alert_settings,
    "espalier_acme_account": acme_account.acme_account,
    "espalier_an_hour_after": restic.an_hour_after,
    "espalier_allowed_clients": record.allowed_clients,
    "espalier_authority": authority.authority_secret,
    "espalier_are_names": nginx.are_names,
    "espalier_argument_spec": roles.argument_spec,
    "espalier_backup_fingerprint": backup.fingerprint,
    "espalier_backup_known_hosts": pgbackrest.known_hosts,
    "espalier_backup_opens": backup.opens,
    "espalier_backup_public_line": backup_key.public_line,
    "espalier_backup_room_refusal": backup.room_refusal,
    "espalier_backup_secret_names": backup.secret_names,
    "espalier_backup_settings": backup.backup_settings,
    "espalier_backup_ssh_key": backup_key.ssh_key_secret,
    "espalier_certificate": certificate.certificate,
    "espalier_certificate_dns_problem": certificate.dns_problem,
    "espalier_certificate_plan": certificate.plan,
    "espalier_certificate_settings": certificate.settings,
    "espalier_certificate_names": nginx.certificate_names,
    "espalier_changed_settings": postgresql.changed_settings,
    "espalier_configured_packages": packages.configured_packages,
    "espalier_build_packages": node.build_packages,
    "espalier_cores": machine.cores,
    "espalier_csp_environment": django.csp_environment,
    "espalier_quiet_environment": django.quiet_environment,
    "espalier_insight_environment": django.insight_environment,
    "espalier_database_backup": pgbackrest.program,
    "espalier_database_environment": databases.database_environment,
    "espalier_database_logins": databases.database_logins,
    "espalier_database_user": databases.database_user,
    "espalier_databases": databases.databases,
    "espalier_debian": debian.debian,
    "espalier_debian_names": debian.debian_names,
    "espalier_directories": directories.project_directories,
    "espalier_disk_mb": machine.disk_mb,
    "espalier_deploy_key": logins.deploy_key,
    "espalier_email_environment": mail.email_environment,
    "espalier_egress": egress.egress,
    "espalier_extension_packages": postgresql.extension_packages,
    "espalier_front": django.front,
    "espalier_firewall_allow": firewall.house_openings,
    "espalier_firewall_own": firewall.own_sources,
    "espalier_firewall_services": firewall.service_openings,
    "espalier_firewall_settings": firewall.firewall_settings,
    "espalier_firewall_shuts_out": firewall.shuts_out,
    "espalier_firewall_ssh_from": firewall.ssh_sources,
    "espalier_hsts": nginx.hsts,
    "espalier_kit_requirements": requirements.kit_requirements,
    "espalier_machines_with_duty": machine.machines_with_duty,
    "espalier_max_client_connections": pgbouncer.max_client_connections,
    "espalier_max_connections": postgresql.max_connections,
    "espalier_max_worker_processes": postgresql.max_worker_processes,
    "espalier_media_store": media.media_store,
    "espalier_memory_share_mb": machine.memory_share_mb,
    "espalier_netrc": logins.netrc,
    "espalier_missing_extensions": postgresql.missing_extensions,
    "espalier_new_replicas": record.new_replicas,
    "espalier_lab_refusal": builder.refusal,
    "espalier_own_pem": own_certificate.own_pem,
    "espalier_own_paths": own_certificate.own_paths,
    "espalier_own_problem": own_certificate.own_problem,
    "espalier_own_functions_query": postgresql.own_functions_query,
    "espalier_packages": packages.packages,
    "espalier_pgbackrest_alone": pgbackrest.alone_options,
    "espalier_pgbackrest_options": pgbackrest.options,
    "espalier_pgbackrest_served": pgbackrest.served,
    "espalier_pgbackrest_times": pgbackrest.times,
    "espalier_pool_commands": postgresql.pool_commands,
    "espalier_plain_listens": tunnel.plain_listens,
    "espalier_pool_size": pgbouncer.pool_size,
    "espalier_program_files": programs.program_files,
    "espalier_program_paths": programs.program_paths,
    "espalier_project_environment": redis.project_environment,
    "espalier_proxy_ranges": nginx.proxy_ranges,
    "espalier_record_during_run": record.record_during_run,
    "espalier_record_without_database": record.record_without_database,
    "espalier_redis_environment": redis.redis_environment,
    "espalier_redis_memory_mb": machine.redis_memory_mb,
    "espalier_replication_slot": names.replication_slot,
    "espalier_replaces_debians": packages.replaces_debians,
    "espalier_restic_known_hosts": restic.known_hosts,
    "espalier_restic_repository_path": restic.repository_path,
    "espalier_restic_repository_settings": restic.repository_settings,
    "espalier_restic_settings": restic.program_settings,
    "espalier_restic_store": restic.store_settings,
    "espalier_restart_script": postgresql.restart_script,
    "espalier_role": record.role,
    "espalier_role_default": roles.role_default,
    "espalier_roles_losing_clients": record.roles_losing_clients,
    "espalier_s3_environment": media.s3_environment,
    "espalier_private_directory": secret_files.private_directory,
    "espalier_secret": secret_files.read_secret,
    "espalier_secret_key_environment": django.secret_key_environment,
    "espalier_services_leaving": record.services_leaving,
    "espalier_shared_media_environment": media.shared_media_environment,
    "espalier_site_environment": django.site_environment,
    "espalier_ssh_algorithms": ssh.ssh_algorithms,
    "espalier_ssh_changed_accounts": ssh.ssh_changed_accounts,
    "espalier_ssh_exempt": ssh.ssh_exempt,
    "espalier_ssh_key_files": ssh.ssh_key_files,
    "espalier_ssh_must_prove": ssh.ssh_must_prove,
    "espalier_ssh_packages": ssh.ssh_packages,
    "espalier_ssh_ports": ssh.ssh_ports,
    "espalier_ssh_refusal": ssh.ssh_refusal,
    "espalier_ssh_settings": ssh.ssh_settings,
    "espalier_table": TABLES.__getitem__,
    "espalier_update_times": updates.update_times,
    "espalier_upgrade_order": updates.upgrade_order,
    "espalier_upstreams": nginx.upstreams,
    "espalier_trusted_before": authority.trusted_before,
    "espalier_trusted_certificate": authority.trusted_certificate,
    "espalier_tunnels": tunnel.tunnels,
    "espalier_tunnels_during_run": tunnel.tunnels_during_run,
    "espalier_uploads_are_moving": media.uploads_are_moving,
    "espalier_worker_count": django.worker_count,
}


class FilterModule:
    """What Ansible asks a filter plugin for."""

    def filters(self) -> Mapping[str, Callable[..., Any]]:
        """Return the filters by name."""
        return FILTERS
