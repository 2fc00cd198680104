//! The kinds of errors and their categories.

use std::fmt;

/// What went wrong, in eight groups: what a program maps on that need not know every [`ErrorKind`], such as a server that
/// answers with a status. The list is complete: matches on it need no wildcard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorCategory {
    /// The caller's settings, names or arguments are wrong. The same call fails again.
    Usage,
    /// What the call names, or needs to be set, does not exist.
    Missing,
    /// The store, the server or the policy understood the request and refused it.
    Refused,
    /// A server, a disk, a lock or another writer was in the way, or the caller stopped the call. It may succeed later.
    Unavailable,
    /// A model, a table, an answer or a database is damaged, not supported or not to be trusted.
    Data,
    /// The policy is at fault: it cannot be loaded or run, or its answer breaks a rule.
    Policy,
    /// The ledger is damaged, belongs to another model, or was written by a newer release.
    Ledger,
    /// A defect of this library.
    Bug,
}

impl ErrorCategory {
    /// The category's name in kebab case. It does not change between releases.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::Missing => "missing",
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
            Self::Data => "data",
            Self::Policy => "policy",
            Self::Ledger => "ledger",
            Self::Bug => "bug",
        }
    }
}

impl fmt::Display for ErrorCategory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Declares the kinds below their categories, so that each kind has exactly one, and a name.
macro_rules! error_kinds {
    ($($category:ident { $($(#[doc = $doc:literal])+ $kind:ident = $name:literal,)+ })+) => {
        /// What went wrong, as a value that callers match on and tests assert.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorKind {
            $($($(#[doc = $doc])+ $kind,)+)+
        }

        impl ErrorKind {
            /// The group that this kind belongs to.
            #[must_use]
            pub const fn category(self) -> ErrorCategory {
                match self {
                    $($(Self::$kind)|+ => ErrorCategory::$category,)+
                }
            }

            /// The kind's name in kebab case, such as `no-champion`. It does not change between releases.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $($(Self::$kind => $name,)+)+
                }
            }

            #[cfg(test)]
            const ALL: &[Self] = &[$($(Self::$kind,)+)+];
        }
    };
}

error_kinds! {
    Usage {
        /// A setting, flag, environment variable or configuration file is wrong.
        Config = "config",
        /// A URI names a scheme for which there is no backend; the message lists those there are.
        UnsupportedScheme = "unsupported-scheme",
        /// A name, id, key or alias breaks MLflow's rules.
        InvalidName = "invalid-name",
        /// An argument other than a name is outside what the call accepts.
        InvalidArgument = "invalid-argument",
        /// A path that should name a file names something else: a pipe, a device, a directory.
        NotAFile = "not-a-file",
        /// A file that is read as a whole, such as a configuration, is larger than any such file.
        FileSize = "file-size",
        /// A name or a reason is longer than the ledger keeps.
        TextTooLong = "text-too-long",
        /// Too many policies are to decide together.
        PanelSize = "panel-size",
        /// The first of the policies that decide together is not their leader, or another one is.
        PanelRoles = "panel-roles",
        /// Two of the policies that decide together have the same name.
        PanelNames = "panel-names",
        /// A policy should become the active one, and no file, setting or configuration names one.
        NothingToActivate = "nothing-to-activate",
        /// A request sets the active policy aside and gives no reason.
        OverrideReason = "override-reason",
        /// A call that is about one policy does not name it, and several decide together.
        SeveralPolicies = "several-policies",
        /// There is no metric of that name, or its parameter is out of range.
        UnknownMetric = "unknown-metric",
        /// A metric is for another task than the models', such as the AUC of a regression.
        MetricMismatch = "metric-mismatch",
        /// Models that are to be measured on the same rows have different tasks or classes.
        ModelsDiffer = "models-differ",
        /// Options of a server contradict each other, or there is no model to serve.
        ServeOptions = "serve-options",
        /// A canary is not an alias with a share, or has no key.
        InvalidCanary = "invalid-canary",
        /// The certificate of a server or its key cannot be read or used.
        InvalidCertificate = "invalid-certificate",
        /// The file of a server's tokens cannot be read, or has none.
        InvalidTokens = "invalid-tokens",
        /// A text is not the reference of an artifact in an OCI registry.
        InvalidReference = "invalid-reference",
        /// Trust rules name no key, one key twice, or ask for more signatures than they name keys.
        InvalidTrust = "invalid-trust",
        /// A file or text is not a key that signatures are made or checked with.
        InvalidKey = "invalid-key",
        /// A file is not a signature, or holds none.
        InvalidSignature = "invalid-signature",
        /// The file of credentials for registries, or a helper that it names, cannot be used.
        InvalidCredentials = "invalid-credentials",
        /// A registry that is not on this machine is to be asked without encryption.
        PlainHttp = "plain-http",
        /// A receiver of notifications is malformed, or its secret cannot be read.
        InvalidReceiver = "invalid-receiver",
    }
    Missing {
        /// There is no such registered model.
        ModelNotFound = "model-not-found",
        /// There is no such model version.
        VersionNotFound = "version-not-found",
        /// There is no such run, experiment, logged model or other tracking entity.
        NotFound = "not-found",
        /// The alias `champion` is not set: "No champion model set".
        NoChampion = "no-champion",
        /// The alias `candidate` is not set, and a command wanted the version behind it.
        NoCandidate = "no-candidate",
        /// There is nothing to roll back to: "No archived model to rollback to".
        NoArchived = "no-archived",
        /// An alias other than these is not set, and a command wanted the version behind it.
        NoAlias = "no-alias",
        /// An artifact does not exist.
        ArtifactNotFound = "artifact-not-found",
        /// The ledger has no entry of that number, or there is no ledger yet.
        EntryNotFound = "entry-not-found",
        /// The registry has no artifact of that tag or digest.
        PolicyArtifactNotFound = "policy-artifact-not-found",
    }
    Refused {
        /// The entity to create exists already.
        AlreadyExists = "already-exists",
        /// The store refused because the entity is in the wrong state (deleted, not READY, ...).
        InvalidState = "invalid-state",
        /// The registered model is a prompt of MLflow's prompt registry, not a model.
        IsPrompt = "is-prompt",
        /// The version to roll back to was never the champion.
        NeverChampion = "never-champion",
        /// The version cannot become champion or candidate because it is in quarantine.
        Quarantined = "quarantined",
        /// The champion that a rollback was about is not the champion any more, because a slow writer's move was undone.
        PremiseChanged = "premise-changed",
        /// The newest entry of the ledger is not the one that the caller expects.
        HeadMoved = "head-moved",
        /// The clock of this machine differs from the server's by more than is allowed.
        ClockDifference = "clock-difference",
        /// The clock of this machine is behind the newest entry of a ledger on a store without a clock of its own.
        ClockBackwards = "clock-backwards",
        /// The version to release is not in quarantine.
        NotQuarantined = "not-quarantined",
        /// The version is the champion already, so no policy is asked about it.
        AlreadyChampion = "already-champion",
        /// The entry of the ledger is not a decision of a policy, so it has no evidence.
        NotADecision = "not-a-decision",
        /// The version, or the model, has as many live approvals as the ledger keeps.
        TooManyApprovals = "too-many-approvals",
        /// Another policy, or other settings or limits of it, are active for the model than those of this host.
        InactivePolicy = "inactive-policy",
        /// The active policy asks for more approvals before another one takes its place.
        ActivationApprovals = "activation-approvals",
        /// The store refused a request as malformed; a bug here or a server with other rules.
        BadRequest = "bad-request",
        /// The server or store lacks a feature that the call needs.
        Unsupported = "unsupported",
        /// The server wants credentials or refuses those given (HTTP 401).
        Unauthenticated = "unauthenticated",
        /// The credentials are known but not allowed to do this (HTTP 403).
        PermissionDenied = "permission-denied",
        /// A registry redirects a request to where it must not go.
        RegistryRedirect = "registry-redirect",
        /// A registry wants the credentials to be sent to a service that is not its own.
        ForeignTokenService = "foreign-token-service",
        /// The policy said no; only as the error form of a transition.
        Rejected = "rejected",
        /// The policy said not yet; only as the error form of a transition.
        Held = "held",
    }
    Unavailable {
        /// The server could not be reached: name, connection or TLS.
        Unreachable = "unreachable",
        /// The server did not answer in time.
        Timeout = "timeout",
        /// The server asks to slow down (HTTP 429) and kept doing so until the deadline.
        RateLimited = "rate-limited",
        /// The server failed (HTTP 5xx), or kept failing until the deadline.
        Server = "server",
        /// The local disk or database failed.
        Storage = "storage",
        /// There is no directory for compiled policies, or it cannot be written to.
        CacheUnavailable = "cache-unavailable",
        /// The process that compiles policies cannot start, or its code is not where this process looks for it.
        CompilerUnavailable = "compiler-unavailable",
        /// The local store is locked by another process and stayed so until the deadline.
        Locked = "locked",
        /// The answers of a store contradict each other, so that nothing is concluded from them.
        InconsistentAnswers = "inconsistent-answers",
        /// A server cannot listen on its address.
        AddressUnavailable = "address-unavailable",
        /// Other writers kept winning until the deadline.
        Contention = "contention",
        /// The caller asked to stop, and what was begun was taken back.
        Interrupted = "interrupted",
        /// A process that works for this one ended in the middle of a call. What it had begun, the ledger takes back or completes.
        WorkerDied = "worker-died",
        /// A receiver of notifications did not take an event.
        Undelivered = "undelivered",
    }
    Data {
        /// A table of input data (CSV, Parquet, ...) is damaged or does not fit the model.
        InvalidData = "invalid-data",
        /// Rows to measure on lack a feature of a model, or the column of labels, weights, groups or a segment.
        MissingColumns = "missing-columns",
        /// There are no rows to measure on.
        NoRows = "no-rows",
        /// There are more rows to measure on than LightGBM's limit of 2^31 - 1.
        TooManyRows = "too-many-rows",
        /// A label is missing, or is not what the metrics need: a finite number, a grade, a number in a range.
        InvalidLabels = "invalid-labels",
        /// A label is not one of the model's classes.
        UnknownLabel = "unknown-label",
        /// All labels are of one class.
        OneClass = "one-class",
        /// A weight is missing, negative or not finite, or all weights are zero.
        InvalidWeights = "invalid-weights",
        /// A row has no group, or a group is too large.
        InvalidGroups = "invalid-groups",
        /// A column of segments has too many values.
        TooManySegments = "too-many-segments",
        /// A model's score is not finite, or is not what a metric needs, such as a probability.
        InvalidScores = "invalid-scores",
        /// The answer is not what the MLflow protocol says: an HTML page, damaged JSON, a missing field.
        Protocol = "protocol",
        /// An answer of a server is larger, or has more parts, than any answer that this program asks for.
        AnswerSize = "answer-size",
        /// A listing of a server does not follow its protocol: it repeats, is out of order, or does not end.
        EndlessListing = "endless-listing",
        /// A local database has a schema that this version cannot use safely.
        Schema = "schema",
        /// A name or path from a registry tries to leave its root, or a host is not allow-listed.
        Untrusted = "untrusted",
        /// Bytes are not those promised: truncated download, digest mismatch.
        Integrity = "integrity",
        /// An evaluation measured another model file than that of the version.
        EvaluationMismatch = "evaluation-mismatch",
        /// The document of an evaluation is larger than what a decision reads.
        EvaluationSize = "evaluation-size",
        /// A model file is damaged or breaks a validation rule.
        InvalidModel = "invalid-model",
        /// A model file is of a format or uses a feature that is not supported.
        UnsupportedModel = "unsupported-model",
        /// Feature contributions were asked of a model with linear trees, for which they are not defined.
        LinearContributions = "linear-contributions",
        /// Feature contributions were asked of a model whose text lacks the row counts of its trees, or whose counts contradict each other.
        ModelCounts = "model-counts",
        /// Feature contributions of a model would take more values or more work for each row than the limit.
        ContributionsSize = "contributions-size",
        /// A version must not become champion because its model cannot be loaded; the source states the reason.
        Unloadable = "unloadable",
        /// LightGBM itself reported an error (training, prediction).
        LightGbm = "light-gbm",
        /// The answer of a registry is not what the OCI Distribution Specification says.
        RegistryProtocol = "registry-protocol",
        /// The manifest of an artifact, or the list of its signatures, is larger than any that is read.
        ManifestSize = "manifest-size",
        /// An artifact is not one WebAssembly component.
        ArtifactLayout = "artifact-layout",
        /// The reference names a list of artifacts, none of which is for WebAssembly, or several are.
        ManifestList = "manifest-list",
        /// There is no signature, and trust rules ask for one.
        SignatureNotFound = "signature-not-found",
        /// The registry has a list of what refers to the artifact, and no signature is in it.
        ReferrersEmpty = "referrers-empty",
        /// There are signatures, and none is by a key that the trust rules name.
        UntrustedSigner = "untrusted-signer",
        /// The signature is by a key that the trust rules do not accept any more.
        ExpiredKey = "expired-key",
        /// Some keys that the trust rules ask for have signed, and not enough of them.
        SignersMissing = "signers-missing",
        /// A trusted key has signed other content than that beside which the signature was found.
        SignatureMismatch = "signature-mismatch",
    }
    Policy {
        /// The policy file cannot be read.
        PolicyNotFound = "policy-not-found",
        /// The policy file does not have the SHA-256 that was named with it.
        PolicyDigest = "policy-digest",
        /// A policy project cannot be built: a compiler or tool is missing or fails.
        PolicyBuild = "policy-build",
        /// The file is not a component, imports something, or exports another interface version.
        PolicyIncompatible = "policy-incompatible",
        /// Compiling the policy takes more memory than its limit.
        PolicyCompileMemory = "policy-compile-memory",
        /// Compiling the policy takes more time than its limit, of processors or on the wall clock.
        PolicyCompileTime = "policy-compile-time",
        /// The process that compiles the policy ended without a reply: the compiler crashed, or the machine lacks memory.
        PolicyCompileCrash = "policy-compile-crash",
        /// The policy ran into a trap (unreachable, out of bounds, stack overflow, ...).
        PolicyTrap = "policy-trap",
        /// The policy used up its fuel.
        PolicyFuel = "policy-fuel",
        /// The policy ran past its wall-clock limit.
        PolicyTimeout = "policy-timeout",
        /// The policy asked for more memory than its budget, tables and the state of its instances included.
        PolicyMemory = "policy-memory",
        /// The policy has more instances, linear memories or tables than its budget.
        PolicyInstances = "policy-instances",
        /// The policy cannot be instantiated, for a reason other than a limit.
        PolicyInstantiation = "policy-instantiation",
        /// The component file is larger than the budget allows.
        PolicySize = "policy-size",
        /// The evidence is larger than the budget's input limit.
        PolicyInput = "policy-input",
        /// The answer is larger than the budget allows.
        PolicyAnswer = "policy-answer",
        /// A single text in the answer is longer than the budget allows.
        PolicyText = "policy-text",
        /// A single list in the answer is longer than the budget allows.
        PolicyList = "policy-list",
        /// The answer breaks the contract (invalid UTF-8, unknown discriminant, ...).
        PolicyProtocol = "policy-protocol",
        /// The policy itself reported an error instead of a verdict.
        PolicyError = "policy-error",
        /// A policy setting is unknown, malformed or missing.
        PolicySettings = "policy-settings",
        /// A guard of the host refused the policy's verdict.
        Guard = "guard",
    }
    Ledger {
        /// The ledger belongs to another model or was not made by this tool.
        LedgerIdentity = "ledger-identity",
        /// The ledger that the model's tags name does not exist any more.
        LedgerGone = "ledger-gone",
        /// The run with the archive of the ledger does not exist any more: it was purged.
        ArchiveGone = "archive-gone",
        /// The ledger has a gap, a digest mismatch or an entry that cannot be read.
        LedgerBroken = "ledger-broken",
        /// A newer release wrote an entry of the ledger, in a schema that this one cannot read.
        LedgerNewer = "ledger-newer",
        /// The document that says which versions are in quarantine is neither in the archive nor follows from the ledger.
        StandingLost = "standing-lost",
        /// The document or a component of the active policy is not in the archive, or was altered.
        ActivePolicyLost = "active-policy-lost",
        /// A tag of the model says that a policy is active, and the ledger does not have it.
        ActivationLost = "activation-lost",
    }
    Bug {
        /// Something that should be impossible: a bug.
        Internal = "internal",
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_the_kinds_in_kebab_case_and_each_category_has_kinds() {
        for kind in ErrorKind::ALL {
            let mut kebab = String::new();
            for letter in format!("{kind:?}").chars() {
                if letter.is_ascii_uppercase() && !kebab.is_empty() {
                    kebab.push('-');
                }
                kebab.push(letter.to_ascii_lowercase());
            }
            assert_eq!(kind.to_string(), kebab);
        }
        let categories: BTreeSet<_> = ErrorKind::ALL.iter().map(|kind| kind.category()).collect();
        let names: Vec<_> = categories.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["usage", "missing", "refused", "unavailable", "data", "policy", "ledger", "bug"]);
        assert_eq!(ErrorKind::ALL.len(), 141);
    }

    #[test]
    fn callers_can_map_kinds_by_category() {
        for (kind, category) in [
            (ErrorKind::InvalidName, ErrorCategory::Usage),
            (ErrorKind::NoChampion, ErrorCategory::Missing),
            (ErrorKind::Held, ErrorCategory::Refused),
            (ErrorKind::Quarantined, ErrorCategory::Refused),
            (ErrorKind::StandingLost, ErrorCategory::Ledger),
            (ErrorKind::Contention, ErrorCategory::Unavailable),
            (ErrorKind::Integrity, ErrorCategory::Data),
            (ErrorKind::Guard, ErrorCategory::Policy),
            (ErrorKind::LedgerBroken, ErrorCategory::Ledger),
            (ErrorKind::LedgerNewer, ErrorCategory::Ledger),
            (ErrorKind::Internal, ErrorCategory::Bug),
        ] {
            assert_eq!(kind.category(), category, "{kind}");
        }
    }
}
