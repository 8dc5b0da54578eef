/** Certificates for tests: a new authority and two certificates of it, made by openssl, good for a day on this machine only. */
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";

/** A certificate and its key, as paths of PEM files. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** What `makeCertificates` makes. */
export interface Certificates {
  /** The authority's certificate. */
  readonly ca: string;
  readonly server: Certificate;
  readonly client: Certificate;
}

/** Makes them in a folder, which is made when absent. */
export function makeCertificates(dir: string): Certificates {
  mkdirSync(dir, { recursive: true });
  const at = (name: string): string => join(dir, name);
  const openssl = (...args: string[]): void => void execFileSync("openssl", args, { stdio: "pipe" });
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"];
  openssl("req", "-x509", ...newKey, "-subj", "/CN=test-ca", "-keyout", at("ca.key"), "-out", at("ca.pem"));
  const issue = (name: string): Certificate => {
    const [cert, key] = [at(`${name}.pem`), at(`${name}.key`)];
    const signed = [
      "-CA",
      at("ca.pem"),
      "-CAkey",
      at("ca.key"),
      "-addext",
      "subjectAltName=IP:127.0.0.1,DNS:localhost",
    ];
    openssl("req", "-x509", ...newKey, ...signed, "-subj", `/CN=${name}`, "-keyout", key, "-out", cert);
    return { cert, key };
  };
  return { ca: at("ca.pem"), server: issue("server"), client: issue("client") };
}
