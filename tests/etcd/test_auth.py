"""Users, passwords and tokens."""

import os

from world import PREFIX, World, main, wait_until

MEMBERS = f"{PREFIX}/members/"
SECRET = "correct horse\tbattery \"staple\" é"
ROOT = "root:rootpw"
QUICK = {"retry_max": "200ms"}


class Guarded(World):
    def guarded(self, *arguments, prefix=PREFIX + "/"):
        """An etcd in which user larder may do what he needs, and nobody else anything."""
        etcd = self.etcd(arguments=arguments)
        etcd.ctl("user", "add", "root:rootpw")
        etcd.ctl("user", "grant-role", "root", "root")
        etcd.ctl("role", "add", "larder")
        etcd.ctl("role", "grant-permission", "larder", "--prefix=true", "readwrite", prefix)
        etcd.post("auth/user/add", {"name": "larder", "password": SECRET})
        etcd.ctl("user", "grant-role", "larder", "larder")
        etcd.ctl("auth", "enable")
        return etcd

    def password_file(self, text=SECRET + "\n", mode=0o640):
        path = os.path.join(self.directory, "password")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    def login(self, **more):
        return {**QUICK, "username": "larder", "password_file": self.password_file(), **more}

    def assert_secret(self, *hosts):
        for host in hosts:
            for secret in (SECRET, "battery", "Authorization"):
                self.assertNotIn(secret, host.log_text())


class Login(Guarded):
    def test_a_node_and_a_gateway_log_in(self):
        etcd = self.guarded()
        host = self.started(etcd, "a", self.login())
        gateway = self.started(etcd, None, self.login())
        other = self.started(etcd, "b", self.login())
        for each in (host, gateway, other):
            each.wait_names("a", "b")
        other.tell("leave")
        wait_until(lambda: gateway.member("b")["leaving"], "changes too")
        other.close()
        gateway.wait_names("a")
        self.assertNotIn(MEMBERS + "b", str(etcd.try_ctl("get", "--prefix", MEMBERS, "--keys-only", user=ROOT).stdout))
        self.assert_secret(host, gateway, other)

    def test_a_token_that_has_expired_costs_nothing(self):
        etcd = self.guarded("--auth-token-ttl", "2")
        host = self.started(etcd, "a", self.login(lease_ttl="20s", check_interval="3s"))
        gateway = self.started(etcd, None, self.login(check_interval="3s"))
        wait_until(lambda: len(host.all("lease")) >= 3, "the lease is renewed with another token")
        gateway.wait_log("invalid auth token: logging in again")
        etcd.ctl("put", MEMBERS + "b", '{"addresses": {}}', user=ROOT)
        for each in (host, gateway):
            each.wait_names("a", "b")
        self.assertTrue(all(lease["held"] for lease in host.all("lease")))
        self.assertFalse([event for event in host.all("log") if event["level"] in ("warn", "error")])

    def test_errors_as_etcd_3_6_tells_them(self):
        """Without the field `error`, which says the same as `message`."""
        proxy, changed = self.proxy(self.guarded("--auth-token-ttl", "2")), []

        def change(data):
            changed.extend([True] * data.count(b'"error":"'))
            return data.replace(b'"error":"', b'"other":"')
        proxy.change = change
        host = self.started(proxy, "a", self.login(lease_ttl="10s", check_interval="3s"))
        host.wait_log("invalid auth token: logging in again")
        wait_until(lambda: len(host.all("lease")) >= 2, "the lease is renewed with another token")
        self.assertTrue(all(lease["held"] for lease in host.all("lease")))
        reason = self.host(proxy, "b", {"username": "larder", "password_file": self.password_file("wrong\n")}).refused()
        self.assertIn('logging in as "larder": etcdserver: authentication failed, invalid user ID or password', reason)
        self.assertTrue(changed)

    def test_a_token_that_is_none_any_more_when_the_node_goes(self):
        etcd = self.guarded()
        host = self.started(etcd, "a", self.login(lease_ttl="10m", check_interval="1h"))
        token = etcd.post("auth/authenticate", {"name": "root", "password": "rootpw"})["token"]
        etcd.post("auth/user/changepw", {"name": "larder", "password": SECRET}, {"Authorization": token})
        host.close()
        host.wait_log("this node is no longer registered")

    def test_etcd_that_is_restarted(self):
        """It may know its tokens still, or not."""
        etcd = self.guarded()
        host = self.started(etcd, "a", self.login(lease_ttl="10s"))
        etcd.kill()
        etcd.spawn()
        host.wait_log(f"{etcd.endpoint} answers")
        etcd.wait_up()
        etcd.ctl("put", MEMBERS + "b", '{"addresses": {}}', user=ROOT)
        host.wait_names("a", "b")
        self.assertTrue(all(lease["held"] for lease in host.all("lease")))

    def test_a_wrong_password_is_refused(self):
        etcd = self.guarded()
        path = self.password_file("wrong\n")
        reason = self.host(etcd, "a", {"username": "larder", "password_file": path}).refused()
        self.assertIn('logging in as "larder": etcdserver: authentication failed, invalid user ID or password', reason)
        self.assertNotIn("wrong", reason.replace("wrong password", ""))

    def test_a_password_that_changes_while_the_node_runs(self):
        etcd = self.guarded()
        host = self.started(etcd, "a", self.login(lease_ttl="3s"))
        etcd.ctl("user", "passwd", "larder", "--interactive=false", text="another", user=ROOT)
        host.wait_log('logging in as "larder": etcdserver: authentication failed')
        self.password_file("another\n")
        etcd.ctl("put", MEMBERS + "b", '{"addresses": {}}', user=ROOT)
        host.wait_names("a", "b")
        wait_until(lambda: host.all("lease")[-1]["held"], "it holds a lease")
        self.assertNotIn("another\n", host.log_text())

    def test_a_password_file_that_vanishes(self):
        etcd = self.guarded("--auth-token-ttl", "2")
        host = self.started(etcd, "a", self.login(lease_ttl="10s"))
        os.rename(self.password_file(), os.path.join(self.directory, "elsewhere"))
        host.wait_log("password_file: cannot read")
        self.password_file()
        host.wait_log(f"{etcd.endpoint} answers")
        wait_until(lambda: host.names() == ["a"] and host.all("lease")[-1]["held"], "it goes on")

    def test_who_gives_no_user_is_told_so(self):
        reason = self.host(self.guarded(), "a").refused()
        self.assertIn("etcdserver: user name is empty: cluster.discovery wants username and password_file", reason)

    def test_a_user_without_the_right_to_the_prefix(self):
        reason = self.host(self.guarded(prefix="/elsewhere/"), "a", self.login()).refused()
        self.assertIn(f'permission denied: user "larder" wants read and write access to all keys that begin with {PREFIX}/',
                      reason)

    def test_rights_that_are_taken_away_and_given_back(self):
        etcd = self.guarded()
        host = self.started(etcd, "a", self.login(check_interval="200ms"))
        etcd.ctl("role", "revoke-permission", "larder", "--prefix=true", PREFIX + "/", user=ROOT)
        host.wait_log("permission denied")
        etcd.ctl("role", "grant-permission", "larder", "--prefix=true", "readwrite", PREFIX + "/", user=ROOT)
        etcd.ctl("put", MEMBERS + "b", '{"addresses": {}}', user=ROOT)
        host.wait_names("a", "b")

    def test_etcd_that_wants_no_login(self):
        etcd = self.etcd()
        host = self.started(etcd, "a", self.login())
        host.wait_log("it wants no login, so that username and password_file are not used")

    def test_authentication_that_is_switched_on_and_off(self):
        etcd = self.etcd()
        etcd.ctl("user", "add", "root:rootpw")
        etcd.ctl("user", "grant-role", "root", "root")
        etcd.post("auth/user/add", {"name": "larder", "password": SECRET})
        etcd.ctl("user", "grant-role", "larder", "root")
        host = self.started(etcd, "a", self.login(check_interval="200ms"))
        etcd.ctl("auth", "enable")
        host.wait_log("logging in again")
        etcd.ctl("put", MEMBERS + "b", '{"addresses": {}}', user=ROOT)
        host.wait_names("a", "b")
        etcd.ctl("auth", "disable", user=ROOT)
        etcd.put(MEMBERS + "c", '{"addresses": {}}')
        host.wait_names("a", "b", "c")
        wait_until(lambda: sum("it wants no login" in line for line in host.lines()) == 2, "it is told again")
        self.assertTrue(all(lease["held"] for lease in host.all("lease")))


class Files(Guarded):
    def test_a_file_that_others_may_read_or_write_is_refused(self):
        for mode in (0o644, 0o602, 0o666):
            path = self.password_file(mode=mode)
            reason = self.host("127.0.0.1:1", "a", {"username": "larder", "password_file": path}).refused()
            self.assertIn(f'password_file: "{path}" has mode {mode:04o}, wanted a file that others may not read or write '
                          "(chmod o-rw)", reason)

    def test_a_file_without_a_password_is_refused(self):
        for text, words in (("", "has nothing"), ("\nsecret\n", "has nothing"), ("x" * 5000, "has more")):
            path = self.password_file(text)
            reason = self.host("127.0.0.1:1", "a", {"username": "larder", "password_file": path}).refused()
            self.assertIn(words, reason)
        for path, words in (("/nowhere/password", "cannot read"), (self.directory, "no regular file"),
                            ("/dev/null", "no regular file")):
            reason = self.host("127.0.0.1:1", "a", {"username": "larder", "password_file": path}).refused()
            self.assertIn(words, reason)

    def test_user_and_password_belong_together(self):
        reason = self.host("127.0.0.1:1", "a", {"username": "larder"}).refused()
        self.assertIn("password_file: got none, wanted username and password_file, or neither", reason)
        reason = self.host("127.0.0.1:1", "a", {"password_file": self.password_file()}).refused()
        self.assertIn("username: got none", reason)


if __name__ == "__main__":
    main()
