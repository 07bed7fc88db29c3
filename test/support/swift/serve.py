"""OpenStack Swift with its S3 API, whole and alone: a proxy, an account, a container and an object server, one copy of everything.

    serve.py DIRECTORY PORT KEY SECRET [OPTION=VALUE...]

DIRECTORY is empty, and on a file system with extended attributes. PORT of 127.0.0.1 speaks S3; KEY is of the form account:user. The
options are those of the filter s3api. Serves until SIGINT. Nothing outside of DIRECTORY is read as configuration.
"""
import eventlet

eventlet.monkey_patch(thread=False)

import json
import os
import signal
import sys
from math import inf
from os.path import join
from time import monotonic

# A shell starts background processes with SIGINT ignored.
signal.signal(signal.SIGINT, lambda *_: os._exit(0))

directory, port, key, secret, *options = sys.argv[1:]
account, user = key.split(':')

swift_conf = join(directory, 'swift.conf')
with open(swift_conf, 'w') as file:
    file.write('[swift-hash]\nswift_hash_path_prefix = test\nswift_hash_path_suffix = test\n')

# The modules below read the file when they are imported.
from swift.common import utils

utils.SWIFT_CONF_FILE = swift_conf
utils.validate_configuration()

from eventlet import wsgi
from swift.common.http_protocol import SwiftHttpProtocol
from swift.common.ring import RingBuilder
from swift.common.utils import NullLogger
from swift.common.wsgi import loadapp

class Cache:
    """What memcached does for Swift's proxy, in its memory: without it each request asks for its account and its container anew."""

    def __init__(self):
        self.items = {}

    def get(self, key, raise_on_error=False):
        value, until = self.items.get(key, ('null', inf))
        return json.loads(value) if monotonic() < until else None

    def set(self, key, value, serialize=True, time=0, min_compress_len=0, raise_on_error=False):
        self.items[key] = (json.dumps(value), monotonic() + time if time else inf)

    def delete(self, key, server_key=None):
        self.items.pop(key, None)

    def incr(self, key, delta=1, time=0):
        count = max(0, int(self.get(key) or 0) + delta)
        self.set(key, count, time=time)
        return count


def cache(_conf, **_settings):
    kept = Cache()

    def around(app):
        def answer(env, start_response):
            env['swift.cache'] = kept
            return app(env, start_response)

        return answer

    return around


def factory(name):
    return 'paste.filter_factory = __main__:cache' if name == 'cache' else f'use = egg:swift#{name}'


backends = ('account', 'container', 'object')
sockets = {name: eventlet.listen(('127.0.0.1', 0)) for name in backends}
sockets['proxy'] = eventlet.listen(('127.0.0.1', int(port)))

os.makedirs(join(directory, 'disks', 'disk'))
for name in backends:
    ring = RingBuilder(4, 1, 0)
    backend_port = sockets[name].getsockname()[1]
    ring.add_dev({'region': 1, 'zone': 1, 'ip': '127.0.0.1', 'port': backend_port, 'device': 'disk', 'weight': 1})
    ring.rebalance()
    ring.get_ring().save(join(directory, name + '.ring.gz'))

defaults = f"""
[DEFAULT]
swift_dir = {directory}
devices = {directory}/disks
mount_check = false
disable_fallocate = true
log_level = CRITICAL
"""

filters = ('catch_errors', 'cache', 's3api', 'tempauth', 'bulk', 'slo', 'dlo')
settings = {
    's3api': options,
    'tempauth': [f'user_{account}_{user} = {secret} .admin'],
}

pipelines = {name: f'[app:main]\nuse = egg:swift#{name}\n' for name in backends}
pipelines['proxy'] = '\n'.join(
    [f'[pipeline:main]\npipeline = {" ".join(filters)} proxy-server']
    + ['[app:proxy-server]\nuse = egg:swift#proxy\naccount_autocreate = true']
    + ['\n'.join([f'[filter:{name}]\n{factory(name)}', *settings.get(name, [])]) for name in filters]
)

servers = []
for name, pipeline in pipelines.items():
    conf = join(directory, name + '-server.conf')
    with open(conf, 'w') as file:
        file.write(defaults + pipeline + '\n')
    app = loadapp(conf, global_conf={'log_name': name})
    # Swift starts it in the same way: S3 clients look for ETag, and do not recognise Etag.
    servers.append(
        eventlet.spawn(
            wsgi.server, sockets[name], app, NullLogger(), protocol=SwiftHttpProtocol, capitalize_response_headers=False
        )
    )
for server in servers:
    server.wait()
