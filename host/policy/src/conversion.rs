//! What the modules of all versions of the contract have in common: calling a guest, and converting the types that have not
//! changed. The bindings of each version are types of their own, so a macro defines these functions for each of them.

/// Defines `Guest`, with its conversions. The module supplies `wit`, `PolicyComponentPre`, and the functions for what differs:
/// `context`, `model_version` and `setting_kind`.
macro_rules! guest {
    () => {
        /// A component linked and type-checked, to be instantiated any number of times.
        pub(super) struct Guest(PolicyComponentPre<Limits>);

        impl Guest {
            /// Links the component against nothing and checks the types of what it exports.
            pub(super) fn link(component: &Component) -> wasmtime::Result<Self> {
                let linker = Linker::new(component.engine());
                PolicyComponentPre::new(linker.instantiate_pre(component)?).map(Self)
            }

            /// Calls `describe`.
            pub(super) fn describe(
                &self,
                store: &mut Store<Limits>,
                answers: Answers<'_>,
            ) -> Result<Descriptor, Failure> {
                let instance = self.0.instantiate(&mut *store)?;
                store.data_mut().instantiated();
                let answer = instance.hydra_lifecycle_policy().call_describe(store)?;
                Ok(descriptor(answer, answers)?)
            }

            /// Calls `decide-promotion` or `decide-rollback`.
            pub(super) fn decide(
                &self,
                store: &mut Store<Limits>,
                input: &Input,
                answers: Answers<'_>,
            ) -> Result<Verdict, Failure> {
                let instance = self.0.instantiate(&mut *store)?;
                store.data_mut().instantiated();
                let policy = instance.hydra_lifecycle_policy();
                let context = context(input);
                let answer = match input {
                    Input::Promote { target, .. } => {
                        policy.call_decide_promotion(store, &model_version(target), &context)?
                    }
                    Input::Rollback { target, .. } => policy.call_decide_rollback(
                        store,
                        target.as_ref().map(model_version).as_ref(),
                        &context,
                    )?,
                };
                match answer {
                    Ok(answer) => Ok(verdict(answer, answers)?),
                    Err(error) => Err(Error::from(refusal(error, answers)?).into()),
                }
            }
        }

        fn run_data(run: &RunData) -> wit::RunData {
            let metric = |(key, value): (&String, &f64)| wit::Metric { key: key.clone(), value: *value };
            wit::RunData {
                metrics: run.metrics.iter().map(metric).collect(),
                params: entries(&run.params),
                tags: entries(&run.tags),
            }
        }

        fn entries(map: &BTreeMap<String, String>) -> Vec<wit::Entry> {
            map.iter().map(|(key, value)| wit::Entry { key: key.clone(), value: value.clone() }).collect()
        }

        fn alias_move(alias: &Alias, version: Option<Version>) -> wit::AliasMove {
            wit::AliasMove { alias: alias.to_string(), version: version.map(Version::get) }
        }

        fn operation(operation: Operation) -> wit::Operation {
            match operation {
                Operation::Promote => wit::Operation::Promote,
                Operation::Rollback => wit::Operation::Rollback,
                Operation::External => wit::Operation::External,
            }
        }

        fn verdict(verdict: wit::Verdict, answers: Answers<'_>) -> Result<Verdict> {
            let explanation = |text: String| answers.text("explanation", &text);
            Ok(match verdict {
                wit::Verdict::Approve(wit::Approval { moves, explanation: words }) => {
                    let moves = answers
                        .list("alias moves", moves, |step| answers.alias_move(&step.alias, step.version))?;
                    Verdict::Approve(Approval { moves, explanation: explanation(words)? })
                }
                wit::Verdict::Reject(words) => Verdict::reject(explanation(words)?),
                wit::Verdict::Hold(words) => Verdict::hold(explanation(words)?),
            })
        }

        fn refusal(error: wit::PolicyError, answers: Answers<'_>) -> Result<Refusal> {
            let message = |text: String| answers.text("error message", &text);
            Ok(match error {
                wit::PolicyError::InvalidSettings(words) => Refusal::InvalidSettings(message(words)?),
                wit::PolicyError::InvalidInput(words) => Refusal::InvalidInput(message(words)?),
                wit::PolicyError::Internal(words) => Refusal::Internal(message(words)?),
            })
        }

        fn descriptor(descriptor: wit::Descriptor, answers: Answers<'_>) -> Result<Descriptor> {
            Ok(Descriptor {
                name: answers.text("name", &descriptor.name)?,
                version: answers.text("version", &descriptor.version)?,
                summary: answers.text("summary", &descriptor.summary)?,
                settings: answers.list("settings", descriptor.settings, |one| setting(one, answers))?,
            })
        }

        fn setting(setting: wit::Setting, answers: Answers<'_>) -> Result<Setting> {
            Ok(Setting {
                key: answers.text("setting key", &setting.key)?,
                kind: setting_kind(setting.kind, answers)?,
                default: setting
                    .default
                    .map(|text| answers.text("default of a setting", &text))
                    .transpose()?,
                required: setting.required,
                doc: answers.text("setting's description", &setting.doc)?,
            })
        }

        fn choices(choices: Vec<String>, answers: Answers<'_>) -> Result<SettingKind> {
            let choice = |choice: String| answers.text("choice of a setting", &choice);
            Ok(SettingKind::Choice(answers.list("choices", choices, choice)?))
        }
    };
}

pub(super) use guest;
