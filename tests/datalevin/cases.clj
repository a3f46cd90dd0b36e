;; Asks Datalevin the cases of tests/cases, and says where it answers otherwise; see the run script beside this file.
;;
;;   clojure.main cases.clj DIR FILE.edn ..    a line of EDN a case: {:name .. :agrees true} or {:name .. :agrees false :answer ..}
(ns cases
  (:require [clojure.edn :as edn] [clojure.set :as set] [clojure.walk :as walk]))

(let [core (set (keys (ns-publics 'clojure.core)))]
  (require '[datalevin.core :as d] '[datalevin.interpret :refer [inter-fn]])
  ;; assoc, update and others of Clojure work on entities; of same-named ones Clojure's stay.
  (refer 'datalevin.core :exclude (vec (filter core (keys (ns-publics 'datalevin.core))))))

(def work-dir (first *command-line-args*))
(def counter (atom 0))
(defn fresh-dir [] (str work-dir "/db" (swap! counter inc)))

(defn datom? [x] (instance? datalevin.datom.Datom x))

(defn plain
  "The answer as data: datoms as vectors, entities as ids, byte arrays as vectors."
  [x]
  (cond (datom? x) [(:e x) (:a x) (plain (:v x))]
        (datalevin.entity/entity? x) {:db/id (:db/id x)}
        (bytes? x) (vec x)
        (map? x) (into {} (map (fn [[k v]] [(plain k) (plain v)])) x)
        (set? x) (into #{} (map plain) x)
        (instance? java.util.Set x) (into #{} (map plain) x)
        (or (sequential? x) (instance? java.util.List x)) (mapv plain x)
        :else x))

(defn read-cases [file]
  (let [[head & more :as all] (edn/read-string {:readers {'datom (fn [[e a v & tx]] (datalevin.core/datom e a v 0 (not= false (last tx))))}} (slurp file))
        schemas (:schemas head)]
    (for [case (if schemas more all)]
      (update case :schema #(if (keyword? %) (schemas %) %)))))

(defn operate [conn report [op & args]]
  (let [db @conn]
    (case op
      :pull (apply pull db args)
      :pull-many (apply pull-many db args)
      :datoms (apply datoms db args)
      :seek (apply seek-datoms db args)
      :rseek (apply rseek-datoms db args)
      :index-range (apply index-range db args)
      :count (apply count-datoms db args)
      :cardinality (cardinality db (first args))
      :entid (entid db (first args))
      :entity (let [e (entity db (first args))]
                (if (next args) (reduce (fn [e k] (get e k)) e (next args)) (:db/id e)))
      :report (if (= :tx-data (first args))
                (mapv (fn [d] [(:e d) (:a d) (:v d) (:added d)]) (:tx-data report))
                (get report (first args)))
      :simulate (let [r (tx-data->simulated-report db (first args))]
                  {:tx-data (mapv (fn [d] [(:e d) (:a d) (:v d) (:added d)]) (:tx-data r)) :after (q (second args) @conn)}))))

(defn run-forms [conn forms]
  (intern 'cases 'conn conn)
  (intern 'cases 'dir (fresh-dir))
  (binding [*ns* (the-ns 'cases)]
    (reduce (fn [_ form]
              (if (and (seq? form) (= 'fails (first form)))
                (when (try (eval (second form)) true (catch Throwable _ false))
                  (throw (ex-info "a form that must fail does not" {:form form})))
                (eval form)))
            nil forms)))

(defn answer [{:keys [schema opts dbs tx tx-meta failing-tx schema-update tx-after op query inputs rules] :as case}]
  (let [conn (get-conn (fresh-dir) schema opts)
        report (atom nil)]
    (try
      (doseq [data tx] (reset! report (transact! conn data tx-meta)))
      (when failing-tx
        (when (try (transact! conn failing-tx) true (catch Throwable _ false)) (throw (ex-info "the failing transaction does not fail" {}))))
      (when schema-update (apply update-schema conn schema-update))
      (doseq [data tx-after] (reset! report (transact! conn data)))
      (plain
        (cond (:do case) (run-forms conn (:do case))
              op (operate conn @report op)
              :else
              (let [others (into {} (for [[name {:keys [schema tx]}] dbs]
                                      (let [other (get-conn (fresh-dir) schema)]
                                        (doseq [data tx] (transact! other data))
                                        [name @other])))]
                (apply q query (if inputs
                                 (map #(cond (= '$ %) @conn (= '% %) rules (contains? others %) (others %) :else %) inputs)
                                 [@conn])))))
      (finally (try (close conn) (catch Throwable _ nil))))))

(defn agrees? [{:keys [expect expect-kind]} answer]
  (case expect-kind
    :set (= (set (plain expect)) (set answer))
    :bag (= (frequencies (plain expect)) (frequencies answer))
    :exact (= (plain expect) answer)
    :error false))

(doseq [file (next *command-line-args*) case (read-cases file)]
  (prn (try
         (let [given (deref (future (answer case)) 20000 ::nothing)
               given (if (= ::nothing given) (throw (ex-info "no answer within 20 seconds" {})) given)]
           (if (agrees? case given)
             {:name (:name case) :agrees true}
             {:name (:name case) :agrees false :answer given}))
         (catch Throwable thrown
           (let [problem (if (instance? java.util.concurrent.ExecutionException thrown) (ex-cause thrown) thrown)
                 data (ex-data problem) code (:error data)
                 wanted (:code (when (= :error (:expect-kind case)) (:expect case)))]
             {:name (:name case)
              :agrees (and (= :error (:expect-kind case)) (or (nil? code) (nil? wanted) (= code wanted)))
              :answer :error :code code :message (some-> (ex-message problem) (subs 0 (min 160 (count (ex-message problem)))))})))))
(shutdown-agents)
(System/exit 0)
