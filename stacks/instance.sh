# Installs the service on Amazon Linux 2023. Its packages come from S3 through the gateway
# endpoint, as do the system's own, so no internet is needed.
dnf install --assumeyes --quiet python3.11 unzip logrotate amazon-cloudwatch-agent
useradd --system --no-create-home --shell /sbin/nologin interlock
install --directory --mode 0755 /opt/interlock
unzip -q "$ARCHIVE" -d /opt/interlock
# The archive keeps the modes of the machine that deployed, whose umask may have been a strict one.
chmod --recursive u=rwX,go=rX /opt/interlock
# The service cannot write here, and would compile everything again at each of its starts.
python3.11 -m compileall -q /opt/interlock
token=$(curl --fail --silent --request PUT --header 'X-aws-ec2-metadata-token-ttl-seconds: 60' http://169.254.169.254/latest/api/token)
instance=$(curl --fail --silent --header "X-aws-ec2-metadata-token: $token" http://169.254.169.254/latest/meta-data/instance-id)
# Known to nobody but this instance and API Gateway: in no template, user data or log.
api_key=$(aws apigateway get-api-key --region "$REGION" --api-key "$API_KEY_ID" --include-value --query value --output text)
install --mode 0600 /dev/null /etc/interlock.env
cat > /etc/interlock.env <<VARIABLES
INTERLOCK_HOST=0.0.0.0
INTERLOCK_PORT=$PORT
INTERLOCK_TLS=on
INTERLOCK_API_URL=$API_URL
INTERLOCK_API_KEY=$api_key
INTERLOCK_TABLE=$TABLE
INTERLOCK_INSTANCE_ID=$instance
AWS_REGION=$REGION
PYTHONPATH=/opt/interlock
$SETTINGS
VARIABLES
cat > /etc/systemd/system/interlock.service <<'UNIT'
[Unit]
Description=Interlock
After=network-online.target
Wants=network-online.target
# Goes on trying: the load balancer's health check decides when an instance is given up.
StartLimitIntervalSec=0
[Service]
User=interlock
LogsDirectory=interlock
StandardOutput=append:/var/log/interlock/service.log
StandardError=inherit
EnvironmentFile=/etc/interlock.env
WorkingDirectory=/opt/interlock
ExecStart=/usr/bin/python3.11 -m server
Restart=always
RestartSec=2
TimeoutStopSec=30
CapabilityBoundingSet=
LockPersonality=yes
NoNewPrivileges=yes
PrivateDevices=yes
PrivateMounts=yes
PrivateTmp=yes
PrivateUsers=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProtectSystem=strict
RemoveIPC=yes
# Names are resolved through local sockets, after a look at the addresses of the machine.
RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallErrorNumber=EPERM
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
UMask=0077
[Install]
WantedBy=multi-user.target
UNIT
cat > /etc/logrotate.d/interlock <<'ROTATION'
/var/log/interlock/service.log {
    hourly
    maxsize 50M
    rotate 4
    compress
    copytruncate
    missingok
}
ROTATION
# The package's timer looks once a day, which is too late for "hourly" and for a log that grows.
install --directory /etc/systemd/system/logrotate.timer.d
cat > /etc/systemd/system/logrotate.timer.d/hourly.conf <<'TIMER'
[Timer]
OnCalendar=
OnCalendar=hourly
RandomizedDelaySec=0
TIMER
# Metrics in the embedded format are lines of this log: CloudWatch Logs finds them by itself.
cat > /opt/aws/amazon-cloudwatch-agent/etc/interlock.json <<AGENT
{"logs": {"logs_collected": {"files": {"collect_list": [{
  "file_path": "/var/log/interlock/service.log",
  "log_group_name": "$LOG_GROUP", "log_stream_name": "{instance_id}"}]}}}}
AGENT
/opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl -a fetch-config -m ec2 -s -c file:/opt/aws/amazon-cloudwatch-agent/etc/interlock.json
systemctl daemon-reload
systemctl enable --now interlock logrotate.timer
systemctl restart logrotate.timer
# It has made its certificate itself, as the load balancer takes it.
curl --fail --silent --insecure --retry 30 --retry-delay 1 --retry-connrefused "https://127.0.0.1:$PORT/healthz"
# The instance is signalled to be well when clients would reach it, and not before.
state=unknown
for _ in $(seq 60); do
    state=$(aws elbv2 describe-target-health --region "$REGION" --target-group-arn "$TARGET_GROUP" --targets "Id=$instance" --query 'TargetHealthDescriptions[0].TargetHealth.State' --output text) || state=unknown
    if [ "$state" = healthy ]; then break; fi
    sleep 5
done
test "$state" = healthy
