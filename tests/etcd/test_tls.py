"""Certificates of etcd, and of nodes."""

import os
import subprocess

from world import PREFIX, Etcd, World, main

MEMBERS = f"{PREFIX}/members/"
QUICK = {"retry_max": "200ms", "start_timeout": "500ms"}


class Certificates(World):
    def openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], cwd=self.directory, check=True, capture_output=True)

    def path(self, name):
        return os.path.join(self.directory, name)

    def authority(self, name):
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                     "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem")
        return self.path(f"{name}.pem")

    def certificate(self, name, authority, subject="/O=Larder", names="IP:127.0.0.1,DNS:localhost"):
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", subject,
                     "-keyout", f"{name}.key", "-out", f"{name}.csr")
        with open(self.path(f"{name}.ext"), "w", encoding="ascii") as file:
            file.write(f"subjectAltName={names}\nextendedKeyUsage=serverAuth,clientAuth\n")
        self.openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{authority}.pem", "-CAkey", f"{authority}.key",
                     "-CAcreateserial", "-days", "2", "-extfile", f"{name}.ext", "-out", f"{name}.pem")
        os.chmod(self.path(f"{name}.key"), 0o600)
        return {"cert": self.path(f"{name}.pem"), "key": self.path(f"{name}.key")}

    def secured(self, names="IP:127.0.0.1,DNS:localhost", clients=False):
        """An etcd that speaks TLS; with `clients` it wants a certificate of everybody."""
        ca = self.authority("ca")
        self.certificate("server", "ca", names=names)
        arguments = ["--cert-file", self.path("server.pem"), "--key-file", self.path("server.key")]
        if clients:
            arguments += ["--client-cert-auth", "--trusted-ca-file", ca]
        etcd = self.kept(Etcd(self.directory, arguments=arguments, scheme="https"))
        etcd.ctl_arguments = ["--cacert", ca, "--insecure-skip-tls-verify"]
        if clients:
            admin = self.certificate("admin", "ca")
            etcd.ctl_arguments += ["--cert", admin["cert"], "--key", admin["key"]]
        return etcd.start(), ca



class Server(Certificates):
    def test_a_cluster_over_tls(self):
        etcd, ca = self.secured()
        hosts = [self.started(etcd, name, {"tls": {"ca": ca}}) for name in ("a", "b", None)]
        for host in hosts:
            host.wait_names("a", "b")
        self.assertTrue(hosts[0].all("lease")[-1]["held"])
        bare = self.started(f"127.0.0.1:{etcd.port}", "c", {"tls": {"ca": ca}})
        bare.wait_names("a", "b", "c")

    def test_an_authority_that_is_not_trusted(self):
        etcd, _ = self.secured()
        for tls in ({}, {"ca": self.authority("other")}):
            host = self.started(etcd, "a", {**QUICK, "tls": tls})
            host.wait_log("no endpoint answers")
            self.assertIn("certificate", " ".join(host.lines()))
            self.assertEqual(host.lists(), [])

    def test_the_name_must_fit(self):
        etcd, ca = self.secured(names="DNS:etcd.example")
        host = self.started(etcd, "a", {**QUICK, "tls": {"ca": ca}})
        host.wait_log("no endpoint answers")
        self.assertEqual(host.lists(), [])
        host = self.started(etcd, "b", {"tls": {"ca": ca, "server_name": "etcd.example"}})
        self.assertEqual(host.names(), ["b"])
        host = self.started(etcd, "c", {**QUICK, "tls": {"ca": ca, "server_name": "etcd.elsewhere"}})
        host.wait_log("no endpoint answers")

    def test_plain_text_where_tls_is_spoken_and_the_reverse(self):
        etcd, ca = self.secured()
        host = self.started(f"http://127.0.0.1:{etcd.port}", "a", QUICK)
        host.wait_log("no endpoint answers")
        plain = self.etcd()
        host = self.started(f"https://127.0.0.1:{plain.port}", "a", {**QUICK, "tls": {"ca": ca}})
        host.wait_log("no endpoint answers")
        reason = self.host(f"http://127.0.0.1:{etcd.port}", "a", {"tls": {"ca": ca}}).refused()
        self.assertIn("wanted https:// beside tls", reason)

    def test_certificates_that_are_exchanged_while_the_node_runs(self):
        etcd, ca = self.secured()
        host = self.started(etcd, "a", {"tls": {"ca": ca}, "retry_max": "200ms", "lease_ttl": "10s"})
        self.authority("ca")
        self.certificate("server", "ca")
        etcd.kill()
        etcd.spawn()
        host.wait_log("answers")
        etcd.wait_up()
        etcd.put(MEMBERS + "b", '{"addresses": {}}')
        host.wait_names("a", "b")


class Client(Certificates):
    def test_etcd_that_wants_certificates(self):
        etcd, ca = self.secured(clients=True)
        host = self.started(etcd, "a", {**QUICK, "tls": {"ca": ca}})
        host.wait_log("no endpoint answers")
        self.assertEqual(host.lists(), [])
        host.close()
        own = self.certificate("node", "ca")
        for name in ("a", "b", None):
            host = self.started(etcd, name, {"tls": {"ca": ca, **own}})
        host.wait_names("a", "b")

    def test_certificates_and_a_login(self):
        """With authentication on, the gateway of etcd takes no certificate with a CN, and the login counts."""
        etcd, ca = self.secured(clients=True)
        etcd.ctl("user", "add", "root:rootpw")
        etcd.ctl("user", "grant-role", "root", "root")
        etcd.ctl("auth", "enable")
        password = self.path("password")
        with open(password, "w", encoding="ascii") as file:
            file.write("rootpw\n")
        os.chmod(password, 0o600)
        login = {"username": "root", "password_file": password}
        named = self.certificate("named", "ca", subject="/CN=root")
        nameless = self.certificate("nameless", "ca")
        host = self.started(etcd, "a", {"tls": {"ca": ca, **nameless}, **login})
        self.assertEqual(host.names(), ["a"])
        self.assertIn("user name is empty", self.host(etcd, "b", {"tls": {"ca": ca, **nameless}}).refused())
        for more in ({}, login):
            host = self.started(etcd, "b", {"tls": {"ca": ca, **named}, **more, **QUICK})
            host.wait_log("CommonName of client sending a request against gateway will be ignored")
            self.assertEqual(host.lists(), [])

    def test_a_key_that_others_may_read_is_refused(self):
        ca = self.authority("ca")
        own = self.certificate("node", "ca")
        os.chmod(own["key"], 0o644)
        reason = self.host("127.0.0.1:1", "a", {"tls": {"ca": ca, **own}}).refused()
        self.assertIn(f'tls: key: "{own["key"]}" has mode 0644, wanted a file that others may not read or write', reason)

    def test_files_that_are_missing(self):
        ca = self.authority("ca")
        own = self.certificate("node", "ca")
        for tls, words in (({"ca": "/nowhere"}, 'tls: ca: cannot read "/nowhere": No such file'),
                           ({"cert": "/nowhere", "key": own["key"]}, "tls: cert: cannot read"),
                           ({"cert": own["cert"], "key": "/nowhere"}, "tls: key: cannot read"),
                           ({"cert": own["cert"]}, "tls: got cert without key"),
                           ({"key": own["key"]}, "tls: got a key without cert")):
            self.assertIn(words, self.host("127.0.0.1:1", "a", {"tls": tls}).refused())


if __name__ == "__main__":
    main()
