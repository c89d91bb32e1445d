"""rspamd with its DKIM module alone, asked over HTTP."""

import http.client
import json

from jail import NETWORK, Jail, free_port

# The list of public suffixes takes half a minute to compile and bears on no signature.
CONFIG = """
options {{
  filters = "dkim";
  dns {{ nameserver = ["{dns}"]; timeout = 5s; }}
  local_addrs = [];
  control_socket = "/run/rspamd.sock";
  disable_hyperscan = true;
  url_tld = "/srv/suffixes";
  lang_detection {{ languages = "/nonexistent"; }}
}}
logging {{ type = "console"; level = "info"; }}
worker "normal" {{ bind_socket = "{address}:{port}"; count = 1; }}
dkim {{ check_local = true; check_authed = true; dkim_cache_size = 0; }}
"""


class Rspamd:
    def __init__(self, directory, dns):
        self.jail = Jail(directory, ["rspamd"], ["_rspamd"])
        self.dns = dns
        self.address = f"{NETWORK}.20"
        self.port = free_port(self.address)

    def __enter__(self):
        self.jail.__enter__()
        self.jail.write("/srv/suffixes", "test\ncom\n")
        self.jail.write("/srv/rspamd.conf", CONFIG.format(dns="{}:{}".format(*self.dns), address=self.address,
                                                          port=self.port))
        self.jail.start("rspamd", "-f", "-i", "-c", "/srv/rspamd.conf")
        self.jail.wait_port(self.address, self.port)
        return self

    def __exit__(self, *how):
        self.jail.__exit__(*how)

    def verdicts(self, messages):
        """Of each message: the selectors of its good signatures, or False when one is bad or none is there."""
        answers = []
        for data in messages:
            http_connection = http.client.HTTPConnection(self.address, self.port, timeout=30)
            http_connection.request("POST", "/checkv2", data, {"IP": "127.0.5.1"})
            symbols = json.load(http_connection.getresponse())["symbols"]
            http_connection.close()
            bad = [name for name in symbols if name.startswith("R_DKIM_") and name != "R_DKIM_ALLOW"]
            good = symbols.get("R_DKIM_ALLOW", {}).get("options", [])
            answers.append(sorted(option.split(":s=")[1] for option in good) if good and not bad else False)
        return answers
